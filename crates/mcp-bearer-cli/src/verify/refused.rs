//! What an operator needs to know about a refused token: what is broken in the line, everything
//! that is wrong, and the token's contents.
//!
//! The first fault remains the verdict. Nothing here is sent to a peer.

use mcp_bearer::{BearerAuthProvider, Rejection, RejectionKind};

use super::answer::told;
use super::line_reader::Line;
use crate::inspect::Inspection;
use crate::pasted;
use crate::ui::{Colours, Plain, json_string};

pub(super) struct Refused {
    hint: Option<String>,
    /// All faults, the verdict first.
    faults: Vec<Rejection>,
    inspection: Inspection,
}

impl Refused {
    pub(super) fn new(provider: &BearerAuthProvider, line: &Line<'_>, verdict: &Rejection) -> Self {
        let now = provider.now();
        if line.length > line.held.len() {
            return Self {
                hint: None,
                faults: vec![verdict.clone()],
                inspection: Inspection::too_long(line.length, now),
            };
        }
        // Only these can result from a line that is more or less than a token.
        let broken = matches!(
            verdict.kind(),
            RejectionKind::Malformed | RejectionKind::BadSignature
        );
        let text = line.text();
        let mut faults = provider.faults(&text);
        // The clock has moved on since the verdict.
        match faults.first_mut() {
            Some(first) if first.kind() == verdict.kind() => *first = verdict.clone(),
            _ => faults.insert(0, verdict.clone()),
        }
        let inspection = match pasted::understand(line.held) {
            Ok(pasted) => Inspection::new(&pasted.token, now),
            Err(_) => Inspection::new(&text, now),
        };
        Self {
            hint: broken.then(|| pasted::hint(line.held)).flatten(),
            faults,
            inspection,
        }
    }

    /// What is broken in the line.
    pub(super) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Members of the answer's JSON object, each with a comma before it.
    pub(super) fn json_members(&self) -> String {
        let faults = self.faults.iter().map(|fault| {
            let (reason, detail) = (fault.kind(), json_string(&told(fault)));
            format!(r#"{{"reason":"{reason}","detail":{detail}}}"#)
        });
        let faults: Vec<String> = faults.collect();
        let inspection = self.inspection.json();
        format!(r#","faults":[{}],"inspect":{inspection}"#, faults.join(","))
    }

    /// Lines below the verdict.
    pub(super) fn text(&self, colours: Colours) -> Vec<String> {
        let others = self.faults.iter().skip(1).map(|fault| {
            let (reason, detail) = (fault.kind(), told(fault));
            format!("also: {reason}: {}", Plain(&detail.replace('\n', "\\n")))
        });
        let mut lines: Vec<String> = others.collect();
        if self.inspection.is_empty() {
            return lines;
        }
        lines.extend(self.inspection.text(colours, self.hint()));
        lines
    }
}
