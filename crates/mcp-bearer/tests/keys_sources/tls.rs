//! TLS: whose certificates are trusted.
