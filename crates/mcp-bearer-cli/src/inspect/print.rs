//! Prints an inspection: as lines of text, or as one JSON object. Both begin by saying that nothing
//! is verified.

use super::facts::Inspection;
use super::members::Members;
use crate::human_time::{date, distance};
use crate::ui::{Colours, Plain, Tone, json_string, json_string_or_null};

/// Claims that hold a time (RFC 7519 section 4.1, OpenID Connect Core section 2).
const TIMES: [&str; 5] = ["exp", "nbf", "iat", "auth_time", "updated_at"];

impl Inspection {
    /// The lines, without characters that could move a cursor, and without a remark that was
    /// already made.
    pub(crate) fn text(&self, colours: Colours, before: Option<&str>) -> Vec<String> {
        let warning = "NOT VERIFIED: anyone can write such a token";
        let mut lines = vec![colours.paint(Tone::Doubt, warning).to_string()];
        let line = |name: &str, text: &str| format!("{name:<10} {}", Plain(&one_line(text)));
        lines.push(line("kind", &self.kind_text()));
        lines.push(line("size", &self.size()));
        if let Ok(header) = &self.header {
            let named = |name: &str| shown(header.text(name).as_deref());
            lines.push(line("algorithm", &named("alg")));
            lines.push(line("key id", &named("kid")));
        }
        for (name, part) in [("header", &self.header), ("claims", &self.claims)] {
            match part {
                Ok(members) => {
                    lines.push(name.to_owned());
                    let members = members.lines(|name| self.time(members, name));
                    lines.extend(members.iter().map(|member| format!("  {}", Plain(member))));
                }
                // Without a readable header, its parts are not listed.
                Err(_) if self.header.is_err() => {}
                Err(why) => lines.push(line(name, why)),
            }
        }
        if self.header.is_ok() {
            lines.push(line("signature", &self.signature()));
        }
        let remarks = self.remarks.iter();
        let remarks = remarks.filter(|remark| Some(remark.as_str()) != before);
        lines.extend(remarks.map(|remark| line("note", remark)));
        for line in &mut lines {
            line.truncate(line.trim_end().len());
        }
        lines
    }

    pub(crate) fn json(&self) -> String {
        let part = |members: &Result<Members, String>| match members {
            Ok(members) => members.json(),
            Err(_) => "null".to_owned(),
        };
        let fault = |why: Option<&String>| json_string_or_null(why.map(String::as_str));
        let header = self.header.as_ref().ok();
        let named = |name: &str| {
            let text = header.and_then(|header| header.text(name));
            json_string_or_null(text.as_deref())
        };
        let remarks: Vec<String> = self.remarks.iter().map(|text| json_string(text)).collect();
        format!(
            r#"{{"verified":false,"kind":{},"kind_text":{},"because":{},"bytes":{},"parts":{},"algorithm":{},"key_id":{},"signature_bytes":{},"times":{},"notes":[{}],"header_fault":{},"claims_fault":{},"header":{},"claims":{}}}"#,
            json_string(self.kind.name),
            json_string(self.kind.title),
            json_string(&self.kind.because),
            self.bytes,
            self.parts,
            named("alg"),
            named("kid"),
            self.signature_bytes
                .as_ref()
                .map_or_else(|_| "null".to_owned(), ToString::to_string),
            self.times_json(),
            remarks.join(","),
            fault(self.header.as_ref().err()),
            fault(self.claims.as_ref().err()),
            part(&self.header),
            part(&self.claims),
        )
    }

    fn kind_text(&self) -> String {
        if self.kind.because.is_empty() {
            return self.kind.title.to_owned();
        }
        format!("{} (by {})", self.kind.title, self.kind.because)
    }

    fn size(&self) -> String {
        let plural = if self.parts == 1 { "" } else { "s" };
        match self.parts {
            0 => format!("{} bytes", self.bytes),
            parts => format!("{} bytes, {parts} part{plural}", self.bytes),
        }
    }

    fn signature(&self) -> String {
        match &self.signature_bytes {
            Ok(bytes) => format!("{bytes} bytes, not checked"),
            Err(why) => why.clone(),
        }
    }

    /// A time in readable form.
    fn time(&self, members: &Members, name: &str) -> Option<String> {
        let at = TIMES.contains(&name).then(|| members.number(name))??;
        let distance = distance(at, self.now);
        Some(match date(at) {
            Some(date) => format!("{date}, {distance}"),
            None => distance,
        })
    }

    fn times_json(&self) -> String {
        let Ok(claims) = &self.claims else {
            return "{}".to_owned();
        };
        let times = TIMES.iter().filter_map(|name| {
            let at = claims.number(name)?;
            let date = json_string_or_null(date(at).as_deref());
            let distance = json_string(&distance(at, self.now));
            Some(format!(
                r#""{name}":{{"date":{date},"distance":{distance}}}"#
            ))
        });
        format!("{{{}}}", times.collect::<Vec<_>>().join(","))
    }
}

/// Text of a header, quoted and cut.
fn shown(text: Option<&str>) -> String {
    match text {
        None => "none".to_owned(),
        Some(text) => match text.char_indices().nth(64) {
            None => format!("{text:?}"),
            Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        },
    }
}

/// Line feeds are the only characters that [`Plain`] lets through.
fn one_line(text: &str) -> String {
    text.replace('\n', "\\n")
}
