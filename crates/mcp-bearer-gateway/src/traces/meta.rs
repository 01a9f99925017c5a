//! The `traceparent` in `_meta` of MCP messages.
//!
//! Only what forwards a body can see it, while the span is elsewhere: a request whose span is
//! recorded asks for it by an extension, and its answer has it in another one.

use std::borrow::Cow;
use std::fmt;

use http::Extensions;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::LINKS;

/// A version 0 `traceparent` in characters (W3C Trace Context section 3.2).
const LENGTH: usize = 55;

#[derive(Clone, Copy)]
struct Wanted;

/// The `traceparent`s of a body.
#[derive(Clone)]
pub(crate) struct InBody(Vec<String>);

impl InBody {
    /// Asks for them.
    pub(super) fn ask(request: &mut Extensions) {
        request.insert(Wanted);
    }

    /// Looks for them if they are asked for.
    pub(crate) fn look(request: &mut Extensions, body: Option<&[u8]>) -> Option<Self> {
        let Wanted = request.remove()?;
        Some(Self(traceparents(body?)))
    }

    pub(super) fn of(answer: &Extensions) -> impl Iterator<Item = &str> {
        let found = answer.get::<Self>();
        found
            .into_iter()
            .flat_map(|Self(all)| all)
            .map(String::as_str)
    }
}

/// Those of a message, or of the first messages of a batch. What is not JSON has none.
fn traceparents(body: &[u8]) -> Vec<String> {
    let mut found = Found(Vec::new());
    // A trace does not report an error, which also ends a long batch.
    let _ = serde_json::Deserializer::from_slice(body).deserialize_any(&mut found);
    found.0
}

struct Found(Vec<String>);

impl Found {
    fn add(&mut self, message: Message<'_>) {
        let meta = message.params.and_then(|params| params.meta);
        let traceparent = meta.and_then(|meta| meta.traceparent);
        self.0.extend(
            traceparent
                .filter(|text| text.len() == LENGTH)
                .map(Cow::into_owned),
        );
    }
}

impl<'de> Visitor<'de> for &mut Found {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message or a batch")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.add(Message::deserialize(MapAccessDeserializer::new(map))?);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut batch: A) -> Result<(), A::Error> {
        for _ in 0..LINKS {
            match batch.next_element()? {
                Some(message) => self.add(message),
                None => return Ok(()),
            }
        }
        Err(A::Error::custom("enough"))
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn message(traceparent: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","arguments":{{"_meta":{{"traceparent":"x"}}}},"_meta":{{"other":[1],"traceparent":"{traceparent}"}}}}}}"#
        )
    }

    #[test]
    fn messages_and_batches_have_them() {
        assert_eq!(traceparents(message(ONE).as_bytes()), [ONE]);
        let escaped = ONE.replace('-', "\\u002d");
        assert_eq!(traceparents(message(&escaped).as_bytes()), [ONE]);
        let batch = format!("[{}, {{}}, {}]", message(ONE), message(ONE));
        assert_eq!(traceparents(batch.as_bytes()), [ONE, ONE]);
    }

    #[test]
    fn anything_else_has_none() {
        let long = message(&"0".repeat(100_000));
        for body in [
            "",
            "{",
            "null",
            "1",
            r#""traceparent""#,
            "[[]]",
            "{}",
            r#"{"params":[]}"#,
            r#"{"params":{"_meta":"x"}}"#,
            r#"{"params":{"_meta":{"traceparent":1}}}"#,
            r#"{"_meta":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}"#,
            &long,
            &"[".repeat(100_000),
        ] {
            assert_eq!(traceparents(body.as_bytes()), [""; 0], "{body:.100}");
        }
        assert_eq!(traceparents(b"\xff"), [""; 0]);
    }

    #[test]
    fn a_long_batch_is_not_read_to_its_end() {
        let messages = vec![message(ONE); 10_000].join(",");
        assert_eq!(traceparents(format!("[{messages}]").as_bytes()).len(), 16);
        let without = format!("[{}{}]", "{},".repeat(1_000_000), message(ONE));
        assert_eq!(traceparents(without.as_bytes()), [""; 0]);
    }
}
