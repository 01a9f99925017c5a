//! The cases under `vectors/operations/`: the outcome of a request under rules, and of a list.
//!
//! `requests/` holds bodies with headers, rules and callers, and the decision about each. `lists/`
//! holds answers of a server, and what a caller sees of each.
//!
//! ```
//! use mcp_bearer_testkit::vectors::operations;
//!
//! let cases = operations::requests().iter().map(|file| file.cases.len()).sum::<usize>();
//! assert!(cases > 0);
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One file of requests: the rules that its cases share, and the cases.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFile {
    /// Its path below `vectors/operations/`. Not a member of the file.
    #[serde(skip)]
    pub path: String,
    /// What the file is about.
    pub about: String,
    /// The rules.
    pub rules: Rules,
    /// The cases.
    pub cases: Vec<RequestCase>,
}

/// Rules as written. Patterns are those of `RuleDraft`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// `allow` or `deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmatched: Option<String>,
    /// Whether the server binds tasks to their owner.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tasks_are_bound: bool,
    /// Whether what is hidden is answered with a challenge.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hidden_is_challenged: bool,
    /// Whether a caller without a token sees all of a list.
    #[serde(default, skip_serializing_if = "is_false")]
    pub anonymous_sees_all: bool,
    /// The rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A pattern for the method.
    pub method: String,
    /// A pattern for the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The scopes that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Whether it hides.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hide: bool,
    /// Whether it needs no token.
    #[serde(default, skip_serializing_if = "is_false")]
    pub anonymous: bool,
}

/// One request and its required outcome.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCase {
    /// A name, unique in its file.
    pub name: String,
    /// The headers that describe the body.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
    /// The caller.
    pub caller: Caller,
    /// The required outcome.
    pub expect: Expect,
}

/// The values of each header; each character is one byte (ISO 8859-1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Headers {
    /// `MCP-Protocol-Version`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocol_version: Vec<String>,
    /// `Mcp-Method`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub method: Vec<String>,
    /// `Mcp-Name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub name: Vec<String>,
}

/// Bytes: text, or hexadecimal if they are not text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bytes {
    /// UTF-8.
    Text(String),
    /// Two digits per byte.
    Hex(String),
}

/// The caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// The scopes of the token; absent: there is no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<String>,
    /// The scopes that every request needs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub required: String,
    /// Which scope implies which others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub implies: BTreeMap<String, Vec<String>>,
    /// Whether the request names a session of this caller.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_bound_session: bool,
}

/// The required outcome for a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// It is passed on.
    Allowed,
    /// It needs a token, with these scopes.
    NeedsToken(String),
    /// It needs more scopes.
    NeedsScopes {
        /// The scopes of the challenge.
        challenge: String,
        /// The scopes that the token lacks.
        missing: String,
    },
    /// No scope allows it.
    Refused(Answer),
    /// It asks for something hidden.
    Hidden(Answer),
    /// It cannot be judged or may not be sent.
    BadRequest(Answer),
}

/// A JSON-RPC error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The code of the first error.
    pub code: i32,
    /// The JSON text of the first error's id, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// One file of lists: the rules that its cases share, and the cases.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListFile {
    /// Its path below `vectors/operations/`. Not a member of the file.
    #[serde(skip)]
    pub path: String,
    /// What the file is about.
    pub about: String,
    /// The rules.
    pub rules: Rules,
    /// The cases.
    pub cases: Vec<ListCase>,
}

/// One answer of a server, and what the caller gets.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListCase {
    /// A name, unique in its file.
    pub name: String,
    /// The type of the answer.
    pub format: Format,
    /// Whether a list was requested.
    #[serde(default, skip_serializing_if = "is_false")]
    pub list_was_asked_for: bool,
    /// The largest list or event that is held, in bytes; 4 MiB when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Whether event ids get the prefix `tag.`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ids_are_tagged: bool,
    /// The caller.
    pub caller: Caller,
    /// The answer of the server.
    pub input: Bytes,
    /// What the caller gets.
    pub expect: ListExpect,
}

/// The type of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `application/json`
    Json,
    /// `text/event-stream`
    Events,
}

/// What a caller gets from an answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ListExpect {
    /// Every byte unchanged.
    Unchanged,
    /// These bytes.
    Changed(Bytes),
    /// Nothing: the answer is an error of this kind.
    Fault(String),
}

/// Every file of requests, in the order of their paths.
///
/// # Panics
/// When a file cannot be read, has an unknown member, or uses a name twice.
pub fn requests() -> Vec<RequestFile> {
    let mut files: Vec<RequestFile> = read("requests");
    for (file, path) in files.iter_mut().zip(paths("requests")) {
        file.path = label(&path);
        unique(&file.path, file.cases.iter().map(|case| &case.name));
    }
    files
}

/// Every file of lists, in the order of their paths.
///
/// # Panics
/// As [`requests`].
pub fn lists() -> Vec<ListFile> {
    let mut files: Vec<ListFile> = read("lists");
    for (file, path) in files.iter_mut().zip(paths("lists")) {
        file.path = label(&path);
        unique(&file.path, file.cases.iter().map(|case| &case.name));
    }
    files
}

/// The folder `vectors/operations/`.
pub fn folder() -> PathBuf {
    super::folder().join("operations")
}

impl Headers {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The bytes of all values of a header.
    pub fn bytes(values: &[String]) -> Vec<Vec<u8>> {
        let byte = |c: char| u8::try_from(u32::from(c)).expect("one byte per character");
        values
            .iter()
            .map(|value| value.chars().map(byte).collect())
            .collect()
    }
}

impl Bytes {
    /// As text if the bytes are text.
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }

    /// The bytes themselves.
    ///
    /// # Panics
    /// When they are not hexadecimal.
    pub fn to_vec(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Hex(digits) => (0..digits.len() / 2)
                .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hexadecimal"))
                .collect(),
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn paths(kind: &str) -> Vec<PathBuf> {
    let folder = folder().join(kind);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no vectors in {}", folder.display());
    paths
}

fn read<T: serde::de::DeserializeOwned>(kind: &str) -> Vec<T> {
    paths(kind).iter().map(|path| super::parse(path)).collect()
}

fn label(path: &std::path::Path) -> String {
    let below = path.strip_prefix(folder()).expect("below the folder");
    below.to_string_lossy().replace('\\', "/")
}

fn unique<'a>(path: &str, names: impl Iterator<Item = &'a String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        assert!(seen.insert(name), "{path}: {name}: twice");
    }
}
