//! `2fapi doctor`: looks at what an operator can have wrong, and says what to do.

use std::{env, fmt, time::SystemTime};

use clap::{Args, Command, CommandFactory};
use serde::Serialize;
#[cfg(feature = "tls")]
use twofapi_client::Origin;
use twofapi_client::{Failure, FailureKind};
use twofapi_server::{Clock, Store, SystemClock};

use super::{
    Cli, Output,
    runtime::block_on,
    serve::ServeArgs,
    store::{NOTHING_SPENT, Reached},
};

/// Options of `2fapi doctor`.
#[derive(Args, Debug)]
#[command(after_help = "\
It takes the options, variables and configuration of `2fapi serve`, and may be run beside the server.
Exit code 3 when something is wrong.")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    serve: Box<ServeArgs>,
}

/// When this was written: no clock is right that says less.
const WRITTEN: u64 = 1_793_000_000;
/// By how many seconds the clocks of servers of one store may differ.
const SKEW: u64 = 2;
#[cfg(feature = "tls")]
const SOON: u64 = 14 * 24 * 3600;
/// Variables that are ours and are no options.
const VARIABLES: [&str; 3] = [
    "TWOFAPI_PASSPHRASE",
    "TWOFAPI_ENROLMENT_TOKEN",
    "TWOFAPI_ACCESS_TOKEN",
];

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Doubtful,
    Wrong,
}

#[derive(Serialize)]
struct Finding {
    about: &'static str,
    verdict: Verdict,
    finding: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Default, Serialize)]
struct Findings {
    findings: Vec<Finding>,
}

impl Findings {
    fn good(&mut self, about: &'static str, finding: impl Into<String>) {
        self.add(about, Verdict::Good, finding, None::<String>);
    }

    fn doubtful(
        &mut self,
        about: &'static str,
        finding: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(about, Verdict::Doubtful, finding, Some(advice));
    }

    fn wrong(
        &mut self,
        about: &'static str,
        finding: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(about, Verdict::Wrong, finding, Some(advice));
    }

    fn add(
        &mut self,
        about: &'static str,
        verdict: Verdict,
        finding: impl Into<String>,
        advice: Option<impl Into<String>>,
    ) {
        self.findings.push(Finding {
            about,
            verdict,
            finding: finding.into(),
            advice: advice.map(Into::into),
        });
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, finding) in self.findings.iter().enumerate() {
            let mark = match finding.verdict {
                Verdict::Good => "ok",
                Verdict::Doubtful => "??",
                Verdict::Wrong => "NO",
            };
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{mark}  {:13}  {}", finding.about, finding.finding)?;
            if let Some(advice) = &finding.advice {
                write!(f, "\n    {:13}  -> {advice}", "")?;
            }
        }
        Ok(())
    }
}

pub(crate) fn run(args: &DoctorArgs, out: Output) -> Result<(), Failure> {
    let args = &args.serve;
    let mut found = Findings::default();
    match args.checked() {
        Ok(()) => found.good("configuration", "it is whole, and fits together"),
        Err(failure) => found.wrong(
            "configuration",
            failure.to_string(),
            "2fapi config show says where each setting comes from",
        ),
    }
    variables(&Cli::command(), &mut found);
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs());
    match now < WRITTEN {
        true => found.wrong(
            "clock",
            "it is years behind",
            "set it, and have it kept by NTP: challenges and tokens go by it",
        ),
        false => found.good("clock", "it can be right"),
    }
    store(args, now, &mut found);
    audience(args, &mut found);
    #[cfg(feature = "tls")]
    certificate(args, now, &mut found);
    proxies(args, &mut found);
    out.answer(&found)?;
    let wrong = |finding: &&Finding| finding.verdict == Verdict::Wrong;
    match found.findings.iter().filter(wrong).count() {
        0 => Ok(()),
        count => Err(Failure::new(
            FailureKind::Unavailable,
            "not_well",
            format!("wrong: {count}"),
        )),
    }
}

/// A variable that is misspelled is not heard.
fn variables(program: &Command, found: &mut Findings) {
    let mut known: Vec<_> = VARIABLES.iter().map(|name| (*name).to_owned()).collect();
    collect(program, &mut known);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        // Kubernetes sets such for a service of the name `twofapi`.
        let is_of_kubernetes = name.contains("_SERVICE_") || name.starts_with("TWOFAPI_PORT");
        if name.starts_with("TWOFAPI_") && !is_of_kubernetes && !known.iter().any(|it| *it == name)
        {
            found.wrong(
                "environment",
                format!("{name} is no variable of this program"),
                "2fapi config example names them all",
            );
        }
    }
}

fn collect(command: &Command, known: &mut Vec<String>) {
    let variables = command.get_arguments().filter_map(|arg| arg.get_env());
    known.extend(variables.map(|name| name.to_string_lossy().into_owned()));
    command
        .get_subcommands()
        .for_each(|command| collect(command, known));
}

fn store(args: &ServeArgs, now: u64, found: &mut Findings) {
    let reached = match args.store.find() {
        Ok(reached) => reached,
        Err(failure) => {
            return found.doubtful(
                "store",
                failure.to_string(),
                "2fapi serve makes one that is a file; 2fapi store migrate one that servers share",
            );
        }
    };
    match args.store.keys() {
        Ok(Some(_)) => found.good("keys", "the key file can be read, by its owner alone"),
        Ok(None) => found.good("keys", "none are needed: one server keeps its own"),
        Err(error) => found.wrong(
            "keys",
            error.to_string(),
            "2fapi keys new FILE makes them; keep a copy in a safe place",
        ),
    }
    match reached {
        Reached::File(_) => match reached.answers() {
            Ok(()) => found.good("store", "it can be read"),
            Err(failure) => found.wrong(
                "store",
                failure.to_string(),
                "it belongs to the user that runs the service: run this as that user or as root",
            ),
        },
        Reached::Shared(shared, keys) => {
            let looked = block_on(async {
                let store: std::sync::Arc<dyn Store> = shared.open(keys, NOTHING_SPENT).await?;
                store
                    .check()
                    .await
                    .map_err(|error| Failure::unavailable(error.to_string()))?;
                Ok::<_, Failure>(store.time(SystemClock::new().wall()))
            });
            match looked.and_then(|looked| looked) {
                Ok(time) => {
                    found.good("store", "it answers");
                    let apart = time.abs_diff(now);
                    if apart > SKEW {
                        found.doubtful("clock", format!("the store's is {apart} seconds away"), "servers of one store go by the store's clock; have both kept by NTP");
                    }
                }
                Err(failure) => found.wrong("store", failure.to_string(), "is it up, and does this machine reach it? 2fapi store migrate brings an older one up to date"),
            }
        }
    }
}

fn audience(args: &ServeArgs, found: &mut Findings) {
    match &args.audience {
        None => found.doubtful(
            "audience",
            "it is the address that the server listens on",
            "clients elsewhere know the server by another one: say it with --audience https://…",
        ),
        Some(audience) if !audience.is_secure() => found.doubtful(
            "audience",
            format!("{} is without TLS", audience.as_str()),
            "good on one machine; elsewhere tokens can be read on the way",
        ),
        Some(audience) => found.good("audience", audience.as_str()),
    }
}

#[cfg(feature = "tls")]
fn certificate(args: &ServeArgs, now: u64, found: &mut Findings) {
    // What cannot be read, the configuration has said.
    let Ok(Some(tls)) = args.network.tls() else {
        return;
    };
    let life = tls.life();
    if now > life.not_after {
        found.wrong(
            "certificate",
            "it has expired",
            "put a new one in its place; it is taken within seconds",
        );
    } else if now < life.not_before {
        found.wrong("certificate", "it is not good yet", "is the clock right?");
    } else if life.not_after - now < SOON {
        let days = (life.not_after - now) / (24 * 3600);
        found.doubtful(
            "certificate",
            format!("it expires in {days} days"),
            "is it renewed by itself?",
        );
    } else {
        found.good(
            "certificate",
            format!("good for {} days", (life.not_after - now) / (24 * 3600)),
        );
    }
    let host = args.audience.as_ref().and_then(|it| host(it));
    if let Some(host) = host.filter(|host| !tls.is_for(host)) {
        found.wrong(
            "certificate",
            format!("it is not for {host}"),
            "clients go by the host of the audience: get a certificate for it",
        );
    }
}

#[cfg(feature = "tls")]
fn host(origin: &Origin) -> Option<&str> {
    let (_, rest) = origin.as_str().split_once("://")?;
    match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, _)| host),
        None => rest.split(':').next(),
    }
}

fn proxies(args: &ServeArgs, found: &mut Findings) {
    let network = &args.network;
    if network.trusts_everybody() {
        found.wrong(
            "proxies",
            "every address is a trusted proxy",
            "then everybody may say who they are: name your proxies only",
        );
    } else if network.behind_tls_proxy && !network.knows_proxies() {
        found.doubtful(
            "proxies",
            "a proxy is before the server, and none is named",
            "all clients share the limits of one source: name the proxy with --trusted-proxies",
        );
    } else {
        found.good(
            "proxies",
            match network.knows_proxies() {
                true => "they say whom a request is from",
                false => "there are none",
            },
        );
    }
}
