//! Sessions of operators who have entered the secret, and the limit for wrong entries.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::secret::{Secret, is_same, random_text};

/// The name of the cookie.
pub(super) const COOKIE: &str = "mcp_bearer_status";
/// A session ends after a working day.
pub(super) const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions at one time; a further one ends the oldest.
const SESSIONS: usize = 16;
/// Wrong entries per minute, whoever makes them. After that no entry is looked at.
const WRONG_ENTRIES: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Sessions {
    secret: Secret,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: VecDeque<Session>,
    wrong: VecDeque<Instant>,
}

struct Session {
    id: String,
    csrf: String,
    ends: Instant,
}

/// The outcome of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Right,
    Wrong,
    /// Too many wrong ones: again after this time.
    Later(Duration),
}

impl Sessions {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            secret,
            state: Mutex::default(),
        }
    }

    /// Compares an entry with the secret.
    pub(super) fn check(&self, entry: &str, now: Instant) -> Entry {
        let mut state = self.state();
        state
            .wrong
            .retain(|at| now.saturating_duration_since(*at) < MINUTE);
        if state.wrong.len() >= WRONG_ENTRIES {
            let oldest = state.wrong.front().copied().unwrap_or(now);
            return Entry::Later(MINUTE.saturating_sub(now.saturating_duration_since(oldest)));
        }
        if self.secret.is(entry) {
            return Entry::Right;
        }
        state.wrong.push_back(now);
        Entry::Wrong
    }

    /// Starts a session and returns its id.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(super) fn start(&self, now: Instant) -> Result<String, String> {
        let (id, csrf) = (random_text()?, random_text()?);
        let mut state = self.state();
        state.sessions.truncate(SESSIONS - 1);
        state.sessions.push_front(Session {
            id: id.clone(),
            csrf,
            ends: now + LIFETIME,
        });
        Ok(id)
    }

    /// The CSRF token of a session that has not ended.
    pub(super) fn csrf(&self, id: &str, now: Instant) -> Option<String> {
        let mut state = self.state();
        state.sessions.retain(|session| now < session.ends);
        let mut sessions = state.sessions.iter();
        let found = sessions.find(|session| is_same(session.id.as_bytes(), id.as_bytes()));
        found.map(|session| session.csrf.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, id: &str) {
        let mut state = self.state();
        state
            .sessions
            .retain(|session| !is_same(session.id.as_bytes(), id.as_bytes()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> (Sessions, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let secret = Secret::open(&path).unwrap();
        (
            Sessions::new(secret),
            std::fs::read_to_string(path).unwrap(),
        )
    }

    #[test]
    fn ten_wrong_entries_a_minute_are_looked_at_and_then_not_even_a_right_one() {
        let (sessions, secret) = sessions();
        let now = Instant::now();
        for number in 0..10 {
            let at = now + Duration::from_secs(number);
            assert_eq!(sessions.check("guess", at), Entry::Wrong);
            assert_eq!(
                sessions.check(&secret, now),
                if number < 9 {
                    Entry::Right
                } else {
                    sessions.check("x", now)
                }
            );
        }
        let later = now + Duration::from_secs(20);
        assert_eq!(
            sessions.check(&secret, later),
            Entry::Later(Duration::from_secs(40))
        );
        assert_eq!(sessions.check(&secret, now + MINUTE), Entry::Right);
    }

    #[test]
    fn a_session_ends_by_time_by_hand_and_by_newer_ones() {
        let (sessions, _) = sessions();
        let now = Instant::now();
        let id = sessions.start(now).unwrap();
        let csrf = sessions.csrf(&id, now).unwrap();
        assert_ne!(id, csrf);
        assert_eq!(
            sessions.csrf(&id, now + LIFETIME - Duration::from_secs(1)),
            Some(csrf)
        );
        for other in ["", "x", &id[1..]] {
            assert_eq!(sessions.csrf(other, now), None);
        }
        assert_eq!(sessions.csrf(&id, now + LIFETIME), None);

        let id = sessions.start(now).unwrap();
        let other = sessions.start(now).unwrap();
        sessions.end(&id);
        assert_eq!(sessions.csrf(&id, now), None);
        assert!(sessions.csrf(&other, now).is_some());
        for _ in 0..SESSIONS {
            sessions.start(now).unwrap();
        }
        assert_eq!(sessions.csrf(&other, now), None);
        assert_eq!(sessions.state().sessions.len(), SESSIONS);
    }
}
