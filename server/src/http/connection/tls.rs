//! TLS: a certificate and its key from files, taken anew when they change; HTTP/2 or HTTP/1.1 as the client
//! says.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    ServerConfig,
    client::verify_server_name,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;
use x509_cert::der::Decode;
use zeroize::Zeroizing;

use super::stream::BoxedBytes;

/// How often it is looked whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often is said that a certificate is over, or soon will be.
const SAY_EVERY: Duration = Duration::from_secs(3600);
/// How long before its end that is first said.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// More than a chain of certificates has.
const MAX: u64 = 1 << 20;

const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// The certificate of a server, as it is in its files at the moment.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
}

#[derive(Debug)]
struct Current {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    loaded: RwLock<Loaded>,
}

#[derive(Clone, Debug)]
struct Loaded {
    key: Arc<CertifiedKey>,
    life: Life,
    files: Files,
}

/// From when until when a certificate is good, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The first second.
    pub not_before: u64,
    /// The last.
    pub not_after: u64,
}

/// What the files looked like: which they are, when they were written, how long.
type Files = [Option<(u64, i64, i64, u64)>; 2];

/// Why there can be no TLS: which file, and what is the matter.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and the key of that, both in PEM.
    ///
    /// # Errors
    /// [`TlsError`] for files that cannot be read, a key that others can read, and a key that is not the
    /// certificate's.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let loaded = load(certificate, key, &provider)?;
        let current = Arc::new(Current {
            certificate: certificate.into(),
            key: key.into(),
            provider: provider.clone(),
            loaded: RwLock::new(loaded),
        });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![H2.into(), HTTP_1_1.into()];
        let config = Arc::new(config);
        Ok(Self(Arc::new(Inner { config, current })))
    }

    /// From when until when the certificate is good that is shown at the moment.
    #[must_use]
    pub fn life(&self) -> Life {
        self.0.current.loaded().life
    }

    /// Whether a client that looks for this host takes it.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let loaded = self.0.current.loaded();
        let (Some(own), Ok(host)) = (loaded.key.cert.first(), ServerName::try_from(host)) else {
            return false;
        };
        ParsedCertificate::try_from(own).is_ok_and(|own| verify_server_name(&own, &host).is_ok())
    }

    /// Looks after the files, for as long as it is polled: what has changed is taken when it is whole, and
    /// what is there goes on otherwise. Says when a certificate is over.
    pub async fn watch(&self) {
        let mut said = None;
        loop {
            let (life, now) = (self.life(), unix(SystemTime::now()));
            let is_due = said.is_none_or(|(of, at): (Life, u64)| {
                of != life || now.saturating_sub(at) >= SAY_EVERY.as_secs()
            });
            if is_due {
                said = Some((life, now));
                self.0.current.say(life, now);
            }
            tokio::time::sleep(LOOK_EVERY).await;
            let current = self.0.current.clone();
            // Files may be on a disk that is slow.
            if tokio::task::spawn_blocking(move || current.look())
                .await
                .is_err()
            {
                return;
            }
        }
    }

    /// The stream within TLS, and whether HTTP/2 is spoken on it.
    pub(super) async fn accept(&self, stream: BoxedBytes) -> io::Result<(BoxedBytes, bool)> {
        let stream = TlsAcceptor::from(self.0.config.clone())
            .accept(stream)
            .await?;
        let is_two = stream.get_ref().1.alpn_protocol() == Some(H2);
        Ok((Box::new(stream), is_two))
    }
}

impl Current {
    fn loaded(&self) -> Loaded {
        self.loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn look(&self) {
        let loaded = self.loaded();
        let files = [files(&self.certificate), files(&self.key)];
        if files == loaded.files {
            return;
        }
        let shown = self.certificate.display();
        let now = unix(SystemTime::now());
        let mut writer = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        match load(&self.certificate, &self.key, &self.provider) {
            Ok(new) if new.life.not_after < now && loaded.life.not_after >= now => {
                tracing::error!(
                    certificate = %shown,
                    "the new certificate has expired already; the one of before is shown on"
                );
                writer.files = new.files;
            }
            Ok(new) => {
                tracing::info!(certificate = %shown, not_after = new.life.not_after, "certificate taken");
                *writer = new;
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    "the new certificate cannot be used; the one of before is shown on"
                );
                // Said once; looked at again when the files change again.
                writer.files = files;
            }
        }
    }

    fn say(&self, life: Life, now: u64) {
        let certificate = self.certificate.display();
        let not_after = life.not_after;
        if now > not_after {
            tracing::error!(
                %certificate, not_after,
                "the certificate has expired: no client connects that checks it; put a new one in its place"
            );
        } else if now < life.not_before {
            let not_before = life.not_before;
            tracing::error!(%certificate, not_before, "the certificate is not good yet; is the clock right?");
        } else if not_after - now < SOON.as_secs() {
            let days = (not_after - now) / (24 * 3600);
            tracing::warn!(%certificate, days, "the certificate expires soon");
        }
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.loaded().key)
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn files(path: &Path) -> Option<(u64, i64, i64, u64)> {
    let about = fs::metadata(path).ok()?;
    Some((about.ino(), about.mtime(), about.mtime_nsec(), about.len()))
}

fn load(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Loaded, TlsError> {
    // Before they are read: what is written after it is looked at once more.
    let files = [files(certificate), files(key)];
    let wrong = |path: &Path, reason: &dyn fmt::Display| {
        TlsError(format!("cannot use {}: {reason}", path.display()))
    };
    let text = read(certificate, false).map_err(|error| wrong(certificate, &error))?;
    let chain = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(certificate, &error))?;
    let Some(own) = chain.first() else {
        return Err(wrong(certificate, &"there is no certificate in it"));
    };
    let life = life(own).map_err(|error| wrong(certificate, &error))?;
    let text = read(key, true).map_err(|error| wrong(key, &error))?;
    let secret = PrivateKeyDer::from_pem_slice(&text).map_err(|error| wrong(key, &error))?;
    let certified = CertifiedKey::from_der(chain, secret, provider).map_err(|error| {
        wrong(
            key,
            &format!("it is not the key of {}: {error}", certificate.display()),
        )
    })?;
    Ok(Loaded {
        key: Arc::new(certified),
        life,
        files,
    })
}

fn read(path: &Path, is_secret: bool) -> io::Result<Zeroizing<Vec<u8>>> {
    let about = fs::metadata(path)?;
    if about.len() > MAX {
        return Err(io::Error::other("it is longer than such a file is"));
    }
    // Its group may: many services of one machine share a certificate.
    if is_secret && about.mode() & 0o007 != 0 {
        return Err(io::Error::other(
            "every user of this machine can read or write it; chmod o= makes it private",
        ));
    }
    fs::read(path).map(Zeroizing::new)
}

fn life(certificate: &CertificateDer<'_>) -> Result<Life, x509_cert::der::Error> {
    let certificate = x509_cert::Certificate::from_der(certificate)?;
    let validity = certificate.tbs_certificate().validity();
    Ok(Life {
        not_before: validity.not_before.to_unix_duration().as_secs(),
        not_after: validity.not_after.to_unix_duration().as_secs(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            // As certbot does it: another file takes the name.
            let new = self.path("new");
            fs::write(&new, text).unwrap();
            fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
            fs::rename(new, self.path(name)).unwrap();
        }

        fn tls(&self) -> Result<Tls, TlsError> {
            Tls::read(&self.path("certificate"), &self.path("key"))
        }
    }

    fn made(until: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.example".into()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    const END_OF_2090: u64 = 3_786_912_000;

    #[test]
    fn a_certificate_is_taken_anew_when_it_is_whole_and_not_before() {
        let folder = Folder::new();
        let (certificate, key) = made(2090);
        folder.write("certificate", &certificate);
        folder.write("key", &key);
        let tls = folder.tls().unwrap();
        assert_eq!(tls.life().not_after, END_OF_2090);
        assert!(tls.is_for("a.example") && !tls.is_for("b.example") && !tls.is_for(""));

        let (next, next_key) = made(2095);
        folder.write("certificate", &next);
        tls.0.current.look();
        assert_eq!(
            tls.life().not_after,
            END_OF_2090,
            "its key is not there yet"
        );
        folder.write("key", &next_key);
        tls.0.current.look();
        assert!(tls.life().not_after > END_OF_2090);

        for wrong in ["", "no certificate", &next[..next.len() / 2]] {
            folder.write("certificate", wrong);
            tls.0.current.look();
            assert!(tls.life().not_after > END_OF_2090, "{wrong}");
        }
        fs::remove_file(folder.path("certificate")).unwrap();
        tls.0.current.look();
        let (expired, expired_key) = made(2001);
        folder.write("certificate", &expired);
        folder.write("key", &expired_key);
        tls.0.current.look();
        assert!(
            tls.life().not_after > END_OF_2090,
            "one that is good was given up"
        );
        folder.write("certificate", &certificate);
        folder.write("key", &key);
        tls.0.current.look();
        assert_eq!(tls.life().not_after, END_OF_2090);
    }

    #[test]
    fn what_cannot_be_used_is_named_and_no_secret_is_said() {
        let folder = Folder::new();
        let (certificate, key) = made(2090);
        folder.write("certificate", &certificate);
        assert!(folder.tls().err().unwrap().0.contains("No such file"));
        folder.write("key", &made(2090).1);
        assert!(folder.tls().err().unwrap().0.contains("not the key of"));
        folder.write("key", &key);
        fs::set_permissions(folder.path("key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(folder.tls().err().unwrap().0.contains("chmod o="));
        folder.write("key", &certificate);
        assert!(folder.tls().is_err());
        folder.write("key", &key);
        folder.write("certificate", &key);
        let said = folder.tls().err().unwrap().0;
        assert!(said.contains("no certificate in it"), "{said}");
    }
}
