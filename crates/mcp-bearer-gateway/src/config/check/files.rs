//! What is wrong with the files that a start reads. They are read as the start reads them.

use std::path::Path;

use super::Set;
use crate::config::TlsSettings;
use crate::{admin, assertion, audit, tls};

/// Each with the setting that names the file.
pub(super) type Problems = Vec<(Set, String)>;

/// Without a CA file, the machine must have a CA store.
pub(super) fn of_upstream(ca_file: Option<&Path>) -> Problems {
    let setting = match ca_file {
        Some(_) => Set::UpstreamCaFile,
        None => Set::Upstream,
    };
    problems([(setting, tls::upstream_tls(ca_file).err())])
}

pub(super) fn of_tls(settings: &TlsSettings) -> Problems {
    let [certificate, key] = tls::problems_of_files(settings);
    problems([
        (Set::TlsCertificate, certificate),
        (Set::TlsPrivateKey, key),
    ])
}

pub(super) fn of_assertions(private_key: &Path, others: Option<&Path>) -> Problems {
    let [own, others] = assertion::problems_of_files(private_key, others);
    problems([
        (Set::AssertionPrivateKey, own),
        (Set::AssertionOtherKeys, others),
    ])
}

pub(super) fn of_admin(secret: &Path) -> Problems {
    problems([(Set::AdminSecretFile, admin::problem_of_secret(secret))])
}

pub(super) fn of_audit(file: Option<&Path>) -> Problems {
    problems([(Set::AuditFile, file.and_then(audit::problem_of_file))])
}

fn problems<const N: usize>(found: [(Set, Option<String>); N]) -> Problems {
    let found = found.into_iter();
    found
        .filter_map(|(setting, why)| Some((setting, why?)))
        .collect()
}
