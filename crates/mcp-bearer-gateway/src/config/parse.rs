//! Parses single values of the gateway's settings.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderName;
use http::uri::Authority;
use ipnet::IpNet;
use mcp_bearer::config::{Fact, Value};
use mcp_bearer::http::Cors;
use url::Url;

use super::WhenBlocked;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    per: Duration,
}

impl Rate {
    /// So many times.
    #[must_use]
    pub const fn new(count: NonZeroU32, per: Duration) -> Self {
        Self { count, per }
    }

    /// How many times.
    #[must_use]
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// In how much time.
    #[must_use]
    pub const fn per(self) -> Duration {
        self.per
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a rate; write it like 100/s or 600/m, or off");
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let per = match per.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        let count = count.trim().parse().map_err(|_| wrong())?;
        Ok(Self::new(count, Duration::from_secs(per)))
    }
}

pub(super) fn rate(value: Value) -> Result<Option<Rate>, Fact> {
    let text = value.into_text()?;
    match text.trim() {
        "off" => Ok(None),
        text => text.parse().map(Some).map_err(Fact::from),
    }
}

pub(super) fn number(value: Value) -> Result<usize, Fact> {
    let text = value.into_text()?;
    match text.trim().parse() {
        Ok(0) => Err("zero would serve nobody".into()),
        Ok(number) if u32::try_from(number).is_err() => Err("more than a machine can serve".into()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("{text:?} is not a whole number").into()),
    }
}

/// Plain http: a collector runs beside the gateway, and only it needs TLS and credentials. Errors
/// do not quote the URL, which may hold a password.
pub(super) fn collector(value: Value) -> Result<Url, Fact> {
    let text = value.into_text()?;
    let mut url = Url::parse(text.trim()).map_err(|_| Fact::from("not a URL"))?;
    if url.scheme() != "http" {
        return Err("not an http URL; let a collector beside the gateway pass traces on".into());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("credentials or a query; only a host, a port and a path are used".into());
    }
    if url.path() == "/" {
        url.set_path("/v1/traces");
    }
    Ok(url)
}

pub(super) fn part(value: Value) -> Result<f64, Fact> {
    let text = value.into_text()?;
    match text.trim().parse() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err(format!("{text:?} is not a number from 0 to 1").into()),
    }
}

pub(super) fn parsed<T: FromStr>(value: Value, what: &str) -> Result<T, Fact> {
    let text = value.into_text()?;
    text.trim()
        .parse()
        .map_err(|_| format!("{text:?} is not {what}").into())
}

/// The URL of an endpoint that we connect to.
pub(super) fn upstream(value: Value) -> Result<Url, Fact> {
    let text = value.into_text()?;
    let url = Url::parse(&text).map_err(|error| Fact::from(format!("{text:?}: {error}")))?;
    let why = if !matches!(url.scheme(), "http" | "https") {
        "only http and https are served"
    } else if !url.has_host() {
        "it names no host"
    } else if !url.username().is_empty() || url.password().is_some() {
        "it must not hold a password: the gateway sends no credentials"
    } else if url.query().is_some() || url.fragment().is_some() {
        "it must have neither query nor fragment"
    } else {
        return Ok(url);
    };
    Err(format!("{}: {why}", without_password(&url)).into())
}

fn without_password(url: &Url) -> String {
    let mut url = url.clone();
    // These fail only for a URL that cannot hold them.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    format!("{:?}", url.as_str())
}

pub(super) fn hosts(value: Value) -> Result<Vec<String>, Fact> {
    let hosts = value.into_texts()?;
    if hosts.is_empty() {
        return Err("an empty list; leave it out if it is not intended".into());
    }
    let host = |text: String| match text.parse::<Authority>() {
        Ok(authority) if !text.contains('@') && !authority.host().is_empty() => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(Fact::from(format!(
            "{text:?} is not a host; write it like mcp.example.com or mcp.example.com:8443"
        ))),
    };
    hosts.into_iter().map(host).collect()
}

pub(super) fn origins(value: Value) -> Result<Vec<String>, Fact> {
    let origins = value.into_texts()?;
    Cors::origins(origins.iter().cloned()).map_err(|error| Fact::from(error.to_string()))?;
    Ok(origins)
}

pub(super) fn networks(value: Value) -> Result<Vec<IpNet>, Fact> {
    let network = |text: String| {
        let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
        text.parse().ok().or_else(address).ok_or_else(|| {
            Fact::from(format!(
                "{text:?} is not a network; write it like 10.0.0.0/8 or 192.0.2.1"
            ))
        })
    };
    value.into_texts()?.into_iter().map(network).collect()
}

/// Headers that are not free to hold the identity of a caller.
const TAKEN: [&str; 24] = [
    "accept",
    "accept-encoding",
    "authorization",
    "baggage",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authorization",
    "te",
    "trailer",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-real-ip",
];

pub(super) fn header_name(value: Value) -> Result<HeaderName, Fact> {
    let text = value.into_text()?;
    let name: HeaderName = text
        .parse()
        .map_err(|_| Fact::from(format!("{text:?} is not the name of a header")))?;
    let taken = TAKEN.contains(&name.as_str())
        || name.as_str().starts_with("mcp-")
        || name.as_str().starts_with("x-forwarded-");
    if taken {
        return Err(format!("{text:?} has another meaning; choose another header").into());
    }
    if name.as_str().contains('_') {
        return Err(format!("{text:?}: servers read \"_\" as \"-\"; write it with \"-\"").into());
    }
    Ok(name)
}

pub(super) fn when_blocked(value: Value) -> Result<WhenBlocked, Fact> {
    match value.into_text()?.as_str() {
        "refuse" => Ok(WhenBlocked::Refuse),
        "drop" => Ok(WhenBlocked::Drop),
        other => Err(format!("{other:?} is neither \"refuse\" nor \"drop\"").into()),
    }
}

#[cfg(test)]
mod tests {
    use mcp_bearer::ConfigError;
    use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value};

    use super::super::{GatewayDraft, GatewaySetting, Settings};

    fn checked(values: &[(GatewaySetting, &str)]) -> Result<Settings, ConfigError> {
        let mut server = ServerDraft::from_entrance(Entrance::Flag);
        server.set(Setting::Discover, Value::text("https://idp.example.com/"));
        server.set(
            Setting::Resource,
            Value::text("https://mcp.example.com/mcp"),
        );
        let mut draft = GatewayDraft::new(server, Entrance::Flag);
        draft.set(
            GatewaySetting::Upstream,
            Value::text("http://127.0.0.1:9000/mcp"),
        );
        for (setting, value) in values {
            draft.set(*setting, Value::text(*value));
        }
        draft.check().map(|config| config.settings)
    }

    const ENDPOINT: GatewaySetting = GatewaySetting::TracesEndpoint;
    const SAMPLED: GatewaySetting = GatewaySetting::TracesSampled;

    #[cfg(feature = "otlp")]
    #[test]
    fn a_collector_is_a_plain_address_and_a_part_is_from_0_to_1() {
        assert!(checked(&[]).unwrap().traces.is_none());
        let traces = checked(&[(ENDPOINT, "http://127.0.0.1:4318")])
            .unwrap()
            .traces
            .unwrap();
        assert_eq!(traces.endpoint.as_str(), "http://127.0.0.1:4318/v1/traces");
        assert!((traces.sampled - 0.1).abs() < f64::EPSILON);
        let values = [
            (ENDPOINT, "http://collector:4318/otlp/v1/traces"),
            (SAMPLED, "1"),
        ];
        let traces = checked(&values).unwrap().traces.unwrap();
        assert_eq!(traces.endpoint.path(), "/otlp/v1/traces");

        for (endpoint, why) in [
            ("https://collector:4318", "not an http URL"),
            ("collector:4318", "not an http URL"),
            ("nonsense", "not a URL"),
            ("http://user:secret@collector:4318", "credentials"),
            ("https://user:secret@collector:4318", "not an http URL"),
            ("http://user:secret@", "not a URL"),
            ("http://collector:4318/?key=1", "a query"),
        ] {
            let words = checked(&[(ENDPOINT, endpoint)]).unwrap_err().to_string();
            assert!(
                words.contains("--traces-endpoint") && words.contains(why),
                "{words}"
            );
        }
        for part in ["-0.1", "1.1", "NaN", "inf", "all", ""] {
            let values = [(ENDPOINT, "http://127.0.0.1:4318"), (SAMPLED, part)];
            let words = checked(&values).unwrap_err().to_string();
            assert!(words.contains("--traces-sampled"), "{words}");
        }
    }

    #[cfg(not(feature = "otlp"))]
    #[test]
    fn a_program_without_traces_refuses_their_settings() {
        let words = checked(&[(ENDPOINT, "http://127.0.0.1:4318")])
            .unwrap_err()
            .to_string();
        assert!(words.contains("without the feature otlp"), "{words}");
    }

    #[test]
    fn a_part_alone_traces_nothing_and_is_reported() {
        let words = checked(&[(SAMPLED, "0.5")]).unwrap_err().to_string();
        assert!(
            words.contains("--traces-endpoint: missing beside"),
            "{words}"
        );
    }
}
