//! Scopes: parse, contain, imply, print (RFC 6749 section 3.3).
//!
//! Scopes are compared whole and with case. Nothing here looks at prefixes, wildcards or spelling.

mod requested;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use requested::{RequestedScopes, RequestedScopesError, RequestedScopesFault};

/// A list of scope-tokens, in the order in which they were given.
///
/// ```
/// use mcp_bearer_core::Scopes;
/// let scopes: Scopes = "mcp:read mcp:write".parse()?;
/// assert!(scopes.contains("mcp:read"));
/// assert!(!scopes.contains("mcp"));
/// assert_eq!(scopes.to_string(), "mcp:read mcp:write");
/// # Ok::<(), mcp_bearer_core::InvalidScope>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Scopes {
    joined: Box<str>,
}

impl Scopes {
    /// No scopes at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Splits a string on the space character; empty pieces are skipped.
    ///
    /// # Errors
    /// When a piece is not a scope-token: only `%x21 / %x23-5B / %x5D-7E` are allowed in one.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let mut pieces = Pieces {
            joined: String::with_capacity(text.len()),
        };
        for piece in text.split(' ').filter(|piece| !piece.is_empty()) {
            pieces.push(piece)?;
        }
        Ok(pieces.finish())
    }

    /// One scope per piece, as in an array of strings. An empty piece, or one with a space in it,
    /// is an error.
    ///
    /// # Errors
    /// When a piece is not a scope-token.
    pub fn from_names<I>(names: I) -> Result<Self, InvalidScope>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut pieces = Pieces::default();
        for name in names {
            pieces.push(name.as_ref())?;
        }
        Ok(pieces.finish())
    }

    /// The pieces between spaces that are scope-tokens; the others are left out.
    pub(crate) fn valid_in(text: &str) -> Self {
        if is_joined(text) {
            return Self {
                joined: text.into(),
            };
        }
        Self::valid_of(text.split(' '), text.len())
    }

    /// The names that are scope-tokens; the others are left out. Together they have about this many
    /// bytes.
    pub(crate) fn valid_of<T: AsRef<str>>(
        names: impl IntoIterator<Item = T>,
        bytes: usize,
    ) -> Self {
        let mut pieces = Pieces {
            joined: String::with_capacity(bytes),
        };
        for name in names {
            if is_scope_token(name.as_ref()) {
                pieces.add(name.as_ref());
            }
        }
        pieces.finish()
    }

    /// These, followed by the others.
    pub(crate) fn and(&self, others: &Self) -> Self {
        let bytes = self.joined.len() + 1 + others.joined.len();
        Self::valid_of(self.iter().chain(others.iter()), bytes)
    }

    /// Whether exactly this scope is in the list.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        let mut held = self.joined.as_bytes().split(|byte| *byte == b' ');
        !scope.is_empty() && held.any(|held| held == scope.as_bytes())
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        // Single spaces are between them. `str::split` costs three times as much, and every request
        // of an issuer with required scopes asks.
        let mut rest = (!self.joined.is_empty()).then_some(&*self.joined);
        std::iter::from_fn(move || {
            let text = rest?;
            let space = text.bytes().position(|byte| byte == b' ');
            let end = space.unwrap_or(text.len());
            rest = text.get(end + 1..);
            text.get(..end)
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty()
    }

    /// The list in the form of a `scope` parameter: joined by single spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.joined
    }

    /// The same list without one name, such as `offline_access`, which no resource server asks for.
    #[must_use]
    pub fn without(&self, scope: &str) -> Self {
        let kept: Vec<&str> = self.iter().filter(|held| *held != scope).collect();
        Self {
            joined: kept.join(" ").into(),
        }
    }
}

impl std::str::FromStr for Scopes {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::parse(text)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A piece of text that is not a scope-token (RFC 6749 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidScope {
    shown: String,
}

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not a scope: one or more printable ASCII characters, without space, quote or backslash",
            self.shown
        )
    }
}

impl std::error::Error for InvalidScope {}

/// Which scope includes which others: `mcp:admin` may imply `mcp:write`, which implies `mcp:read`.
///
/// The relation is transitive and is closed once, when it is built.
///
/// ```
/// use mcp_bearer_core::{ScopeHierarchy, Scopes};
/// let tree = ScopeHierarchy::new([("admin", vec!["write"]), ("write", vec!["read"])]).unwrap();
/// let held: Scopes = "admin".parse()?;
/// assert!(tree.satisfies(&held, "read"));
/// assert!(ScopeHierarchy::new([("a", vec!["b"]), ("b", vec!["a"])]).is_err());
/// # Ok::<(), mcp_bearer_core::InvalidScope>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeHierarchy {
    implied: BTreeMap<String, BTreeSet<String>>,
}

impl ScopeHierarchy {
    /// Builds the closure of the given pairs.
    ///
    /// # Errors
    /// Every name that is not a scope-token, every scope that implies nothing, and every cycle.
    pub fn new<S, L>(pairs: impl IntoIterator<Item = (S, L)>) -> Result<Self, HierarchyError>
    where
        S: AsRef<str>,
        L: IntoIterator,
        L::Item: AsRef<str>,
    {
        let mut direct: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut faults = Vec::new();
        for (scope, implies) in pairs {
            let entry = direct.entry(scope.as_ref().to_owned()).or_default();
            entry.extend(implies.into_iter().map(|name| name.as_ref().to_owned()));
        }
        for name in direct
            .iter()
            .flat_map(|(scope, implies)| implies.iter().chain([scope]))
        {
            if let Err(invalid) = check(name) {
                faults.push(HierarchyFault::NotAScope(invalid));
            }
        }
        let mut implied = BTreeMap::new();
        for (scope, implies) in &direct {
            if implies.is_empty() {
                faults.push(HierarchyFault::ImpliesNothing(scope.clone()));
            }
            let closure = close(&direct, scope);
            if closure.contains(scope) {
                faults.push(HierarchyFault::Cycle(scope.clone()));
            }
            implied.insert(scope.clone(), closure);
        }
        if faults.is_empty() {
            Ok(Self { implied })
        } else {
            Err(HierarchyError { faults })
        }
    }

    /// Whether nothing implies anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.implied.is_empty()
    }

    /// Whether `required` is held, or implied by one that is.
    #[must_use]
    pub fn satisfies(&self, held: &Scopes, required: &str) -> bool {
        held.contains(required)
            || (!self.implied.is_empty()
                && held.iter().any(|scope| {
                    self.implied
                        .get(scope)
                        .is_some_and(|implied| implied.contains(required))
                }))
    }

    /// Every name in the relation, on either side.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.implied
            .iter()
            .flat_map(|(scope, implied)| implied.iter().chain([scope]))
            .map(String::as_str)
    }
}

/// Impossible relations between scopes, all of them at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HierarchyError {
    faults: Vec<HierarchyFault>,
}

/// One thing that a [`ScopeHierarchy`] cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HierarchyFault {
    /// A name that is not a scope-token.
    NotAScope(InvalidScope),
    /// This scope is listed without any other that it implies.
    ImpliesNothing(String),
    /// This scope implies itself.
    Cycle(String),
}

impl HierarchyError {
    /// What is wrong.
    #[must_use]
    pub fn faults(&self) -> &[HierarchyFault] {
        &self.faults
    }
}

impl fmt::Display for HierarchyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        f.write_str(&faults.join("; "))
    }
}

impl fmt::Display for HierarchyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAScope(invalid) => invalid.fmt(f),
            Self::ImpliesNothing(scope) => write!(f, "{scope:?} implies nothing"),
            Self::Cycle(scope) => write!(f, "{scope:?} implies itself through a cycle"),
        }
    }
}

impl std::error::Error for HierarchyError {}

/// Follows the relation from one scope; bounded by the number of names, so a cycle ends too.
fn close(direct: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![from];
    while let Some(scope) = open.pop() {
        for next in direct.get(scope).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    reached
}

#[derive(Default)]
struct Pieces {
    joined: String,
}

impl Pieces {
    fn push(&mut self, piece: &str) -> Result<(), InvalidScope> {
        check(piece)?;
        self.add(piece);
        Ok(())
    }

    fn add(&mut self, piece: &str) {
        if !self.joined.is_empty() {
            self.joined.push(' ');
        }
        self.joined.push_str(piece);
    }

    fn finish(self) -> Scopes {
        Scopes {
            joined: self.joined.into_boxed_str(),
        }
    }
}

fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_scope_byte)
}

const fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

/// Whether the text is scope-tokens with single spaces between them, as nearly every issuer writes
/// it.
fn is_joined(text: &str) -> bool {
    let mut after_space = true;
    for byte in text.bytes() {
        let is_space = byte == b' ';
        if (is_space && after_space) || !(is_space || is_scope_byte(byte)) {
            return false;
        }
        after_space = is_space;
    }
    !after_space
}

fn check(piece: &str) -> Result<(), InvalidScope> {
    if is_scope_token(piece) {
        Ok(())
    } else {
        let shown: String = piece
            .chars()
            .take(crate::limits::Limits::SHOWN_CHARS)
            .collect();
        Err(InvalidScope {
            shown: format!("{shown:?}"),
        })
    }
}

#[cfg(test)]
mod tests;
