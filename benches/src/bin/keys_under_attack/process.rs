//! A thousand slow sources in one process: the threads and descriptors they cost, and their effect
//! on the other sources.
//!
//! The slow issuer is a process of its own, so that its connections do not count.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mcp_bearer::BearerAuthProvider;
use mcp_bearer::http::{Challenge, ChallengeContext};
use mcp_bearer::keys::{KeySource, Miss, Refreshed, RemoteKeys};
use mcp_bearer_testkit::{JwksServer, SigningKey};

use crate::{Line, provider_of, runtime, token};

/// The argument that starts this program as the slow issuer.
pub(crate) const SLOW_ISSUER: &str = "--slow-issuer";
const SOURCES: usize = 1000;
const THREADS: usize = 100;
const DESCRIPTORS: usize = 600;
/// An exchange takes no longer than this, and no request waits longer for keys.
const WAIT: Duration = Duration::from_secs(5);
/// How long a request may take to run again on a busy machine.
const GRACE: Duration = Duration::from_millis(500);

/// Accepts connections, but neither reads nor answers, until its standard input ends.
pub(crate) fn slow_issuer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let connections: Vec<_> = listener.incoming().collect();
        drop(connections);
    });
    let mut output = std::io::stdout();
    writeln!(output, "{address}").expect("the benchmark reads it");
    output.flush().expect("the benchmark reads it");
    let _ = std::io::stdin().read(&mut [0]);
}

/// The slow issuer, which ends when this is dropped.
struct SlowIssuer {
    process: Child,
    address: String,
}

impl SlowIssuer {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().expect("a program"))
            .arg(SLOW_ISSUER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let output = process.stdout.take().expect("its output");
        let mut address = String::new();
        BufReader::new(output)
            .read_line(&mut address)
            .expect("an address");
        let address = address.trim().to_owned();
        Self { process, address }
    }
}

impl Drop for SlowIssuer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The entries of a folder of this process; none if the system has no such folder.
fn count(folder: &str) -> Option<usize> {
    Some(std::fs::read_dir(folder).ok()?.count())
}

pub(crate) fn all(tell: &mut impl FnMut(Line)) {
    let runtime = runtime();
    let (a, b) = (
        SigningKey::ed25519().with_kid("a"),
        SigningKey::ed25519().with_kid("b"),
    );
    let (well, unseen) = (JwksServer::start(), JwksServer::start());
    well.set_keys(vec![a.jwk()]);
    unseen.set_keys(vec![a.jwk()]);
    let (known, cold) = (provider_of(&well), provider_of(&unseen));
    runtime.block_on(known.warm_up());
    let verified = |provider: &BearerAuthProvider, key: &SigningKey| {
        let start = Instant::now();
        let verdict = runtime.block_on(provider.verify_token(&token(key).token()));
        (verdict, start.elapsed())
    };

    let issuer = SlowIssuer::start();
    let sources: Vec<RemoteKeys> = (0..SOURCES)
        .map(|number| {
            let url = format!("http://{}/{number}", issuer.address);
            RemoteKeys::builder(url).build().expect("an address")
        })
        .collect();
    let start = Instant::now();
    let asked: Vec<_> = sources
        .iter()
        .cloned()
        .map(|keys| runtime.spawn(async move { keys.refresh(Miss::no_keys()).await }))
        .collect();
    let (mut threads, mut descriptors) = (Some(0), Some(0));
    let mut sample = || {
        threads = threads.max(count("/proc/self/task"));
        descriptors = descriptors.max(count("/proc/self/fd"));
    };
    while start.elapsed() < Duration::from_secs(1) {
        sample();
        std::thread::sleep(Duration::from_millis(10));
    }
    // Meanwhile the healthy issuer rotates, and a token from an issuer that was never seen arrives.
    well.set_keys(vec![a.jwk(), b.jwk()]);
    let (accepted, took) = verified(&known, &b);
    let (refused, waited) = verified(&cold, &a);
    while start.elapsed() < 2 * WAIT {
        sample();
        std::thread::sleep(Duration::from_millis(10));
    }
    let answers = asked
        .into_iter()
        .map(|one| runtime.block_on(one).expect("no panic"));
    let unchanged = answers.filter(|one| *one == Refreshed::Unchanged).count();
    drop(sources);
    let (threads, descriptors) = (threads.unwrap_or(0), descriptors.unwrap_or(0));
    tell(Line {
        what: format!(
            "{SOURCES} slow sources at once: at most {THREADS} threads and {DESCRIPTORS} descriptors"
        ),
        figures: format!(
            "{threads} threads, {descriptors} descriptors, with those of the runtime and of two issuers; \
             {unchanged} requests without keys"
        ),
        holds: (1..=THREADS).contains(&threads)
            && (1..=DESCRIPTORS).contains(&descriptors)
            && unchanged == SOURCES,
    });
    tell(Line {
        what: "beside them: an issuer that answered before is asked in its usual time".to_owned(),
        figures: format!(
            "its new key accepted: {}, after {:.1} ms",
            accepted.is_ok(),
            took.as_secs_f64() * 1e3
        ),
        holds: accepted.is_ok() && took <= GRACE,
    });
    let status = match &refused {
        Ok(_) => 200,
        Err(rejection) => Challenge::new(rejection, &ChallengeContext::default()).status,
    };
    tell(Line {
        what: "beside them: one never seen gives at most 503 after the request's own wait"
            .to_owned(),
        figures: format!("{status} after {:.1} s", waited.as_secs_f64()),
        holds: [200, 503].contains(&status) && waited <= WAIT + GRACE,
    });
}
