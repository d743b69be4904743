//! `2fapi join`: the second device of a link.

use std::{
    fmt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;
use twofapi_client::{
    Failure, FailureKind, HttpClient, ServerUrl,
    credential::{self, OpenedCredential},
    exchange::Exchange,
    private_file,
};
use twofapi_crypto_core::{Audience, CredentialName, ceremony::LinkCode};

use super::{
    Output,
    new_credential::{made_or_begun, name_of_this_machine},
    passphrase::PassphraseArgs,
    server_args::TrustArgs,
    typed,
};

/// How long this device waits at first, and at most, before it tries again whether it is linked: each attempt that
/// is too early is a denied one in the server's audit.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[derive(Args)]
#[command(after_help = "\
CODE is what `2fapi link` shows at the first device. Take it from nobody else: a code of somebody
else's would link this device to their account. Without --server you are asked whether you mean the
server that the code names; with --server a code of another is refused.

This device then shows a number. Type it at the first device, and wait.

Examples:
  2fapi join --server https://api.example.com        (asks for the code)
  2fapi join 2fapi-link:1:ch-...                     (asks whether you mean its server)")]
pub(super) struct JoinArgs {
    /// The code that the first device shows; without it you are asked, and other users of this machine do not
    /// see it among its processes
    #[arg(default_value = "-", hide_default_value = true)]
    code: String,
    /// URL of the server that you mean [default: the one of the code, if you say that you mean it]
    #[arg(long, value_name = "URL", env = "TWOFAPI_SERVER", value_parser = ServerUrl::parse)]
    server: Option<ServerUrl>,
    #[command(flatten)]
    trust: TrustArgs,
    /// The server's audience, where the operator says that it is not the origin of the URL
    #[arg(long, requires = "server")]
    audience: Option<Audience>,
    /// What this credential is called in the list of the client's [default: as this machine is]
    #[arg(long)]
    name: Option<CredentialName>,
    /// Where to write the credential [default: credentials/CLIENT_ID.json in your data directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Ask for a passphrase and put the file under it (Argon2id, XChaCha20-Poly1305)
    #[arg(long)]
    passphrase: bool,
    #[command(flatten)]
    source: PassphraseArgs,
    /// How long to wait for the first device
    #[arg(long, value_name = "SECONDS", default_value = "600")]
    wait: u64,
}

/// What the user types at the first device.
#[derive(Serialize)]
struct Number<'a> {
    number: &'a str,
    client_id: &'a str,
    audience: &'a str,
}

#[derive(Serialize)]
struct Done {
    client_id: String,
    name: String,
    credential_id: String,
    file: String,
    server: String,
}

pub(super) fn run(args: &JoinArgs, out: Output) -> Result<(), Failure> {
    let text = match args.code.as_str() {
        "-" => typed::line("Link code: ")?,
        given => given.trim().to_owned(),
    };
    let code: LinkCode = text.parse()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of_this_machine()?,
    };
    let exchange = args.exchange(&code)?;
    out.note(format!(
        "This device is to be linked to the client {} at {}.",
        code.client_id, code.audience
    ));
    let new = args.credential(&code)?;
    let kept = format!("the new credential is kept in {}", new.path.display());
    if exchange.login(&new).is_err() {
        let asked = exchange.join(&code, &new.credential, &name);
        let asked = asked.map_err(|failure| {
            let failure = failure.with_hint(&kept);
            if failure.kind() == FailureKind::Denied {
                return failure.with_hint(
                    "the code may be old, or another device may have joined by it: take a new one from \
                     the first device",
                );
            }
            failure
        })?;
        out.answer(&Number {
            number: &asked.number,
            client_id: code.client_id.as_str(),
            audience: code.audience.as_str(),
        })?;
        out.note("Type this number at the first device. Waiting for it ...");
        wait_until_linked(&exchange, &new, Duration::from_secs(args.wait))
            .map_err(|failure| failure.with_hint(&kept))?;
    }
    out.answer(&Done {
        client_id: new.client_id.to_string(),
        name: name.to_string(),
        credential_id: new.id().to_string(),
        file: new.path.display().to_string(),
        server: exchange.http().url().to_string(),
    })
}

impl JoinArgs {
    /// With the server that the user means, which must be the one of the code.
    fn exchange(&self, code: &LinkCode) -> Result<Exchange, Failure> {
        let Some(url) = &self.server else {
            return self.confirmed(code);
        };
        let audience = match &self.audience {
            Some(audience) => audience.clone(),
            None => Audience::parse(url.origin())?,
        };
        let http = HttpClient::new(url.clone(), self.trust.insecure_http)?;
        let exchange = Exchange::new(http, audience);
        // Before anything is made.
        exchange.means(code)?;
        Ok(exchange)
    }

    /// With the server of the code, if the user says in words that it is meant.
    fn confirmed(&self, code: &LinkCode) -> Result<Exchange, Failure> {
        let url = ServerUrl::parse(code.audience.as_str())
            .ok()
            .filter(|url| url.origin() == code.audience.as_str())
            .ok_or_else(|| {
                Failure::bad_input(
                    "the audience of this code is no address: say with --server and --audience which server you \
                     mean",
                )
            })?;
        let typed = typed::line(&format!(
            "This code links this device to the client {} at {}.\n\
             Is that the server and the account that you mean? Type yes to go on: ",
            code.client_id, code.audience
        ))?;
        if typed != "yes" {
            return Err(Failure::new(
                FailureKind::Denied,
                "not_confirmed",
                "nothing was sent, and no credential was made",
            ));
        }
        let http = HttpClient::new(url, self.trust.insecure_http)?;
        Ok(Exchange::new(http, code.audience.clone()))
    }

    fn credential(&self, code: &LinkCode) -> Result<OpenedCredential, Failure> {
        let path = match &self.out {
            Some(path) => path.clone(),
            None => {
                let path = credential::default_path(&code.client_id)?;
                if let Some(directory) = path.parent() {
                    private_file::create_directory(directory)?;
                }
                path
            }
        };
        let existing = |file: &std::path::Path| self.source.existing(file);
        made_or_begun(path, &code.client_id, &existing, || {
            let wants = self.passphrase || self.source.is_given();
            wants.then(|| self.source.new_one()).transpose()
        })
    }
}

/// Nobody tells a second device but the server, which lets it in.
fn wait_until_linked(
    exchange: &Exchange,
    new: &OpenedCredential,
    wait: Duration,
) -> Result<(), Failure> {
    let until = Instant::now() + wait;
    let mut pause = FIRST_WAIT;
    loop {
        match exchange.login(new) {
            Ok(_) => return Ok(()),
            Err(failure) if failure.kind() == FailureKind::BadInput => return Err(failure),
            Err(failure) if Instant::now() >= until => {
                return Err(match failure.kind() {
                    FailureKind::Denied => Failure::new(
                        FailureKind::Denied,
                        "not_linked",
                        "the first device has not linked this one",
                    ),
                    _ => failure,
                });
            }
            Err(_) => {
                thread::sleep(pause.min(until.saturating_duration_since(Instant::now())));
                pause = LONGEST_WAIT.min(pause + pause / 2);
            }
        }
    }
}

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number)
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "linked to {} at {}\ncredential  {}\nfile        {}",
            self.client_id, self.server, self.credential_id, self.file
        )
    }
}
