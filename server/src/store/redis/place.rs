//! What the URL of a store in Redis says: where it is, how it is reached, and what must have happened to a change before it
//! is acknowledged.

use std::{net::IpAddr, time::Duration};

use percent_encoding::percent_decode_str;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::layout::Buckets;

/// How long an answer, or a connection, may take.
pub(super) const WITHIN: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 16;

/// Where a store is and how it is reached.
pub(super) struct Place {
    pub(super) engine: Engine,
    pub(super) hosts: Vec<(String, u16)>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) sentinel_user: Option<String>,
    pub(super) sentinel_password: Option<Zeroizing<String>>,
    /// TLS, and with what.
    pub(super) tls: Option<Certificates>,
    /// What the names of its keys begin with.
    pub(super) prefix: String,
    /// How many buckets a new store gets.
    pub(super) buckets: u16,
    /// How many replicas have to have a change.
    pub(super) replicas: u32,
    /// Whether a change has to be on disk.
    pub(super) on_disk: bool,
    /// For changes, of which each waits on its own.
    pub(super) connections: usize,
}

/// What stands behind the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Single { database: i64 },
    Sentinels { service: String, database: i64 },
    Cluster,
}

#[derive(Clone, Default)]
pub(super) struct Certificates {
    pub(super) authorities: Option<Vec<u8>>,
    pub(super) own: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

impl Place {
    /// Reads a URL such as `rediss://user:password@host:6379/0?replicas=1`. It connects to nobody. Errors quote nothing
    /// of the URL, which may have a password in it.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let form = "expected a URL such as redis://host/0, rediss://…, redis+sentinel://host,host/service or \
                    redis+cluster://host,host";
        // Not by the rules for URLs of the web: several hosts are good here.
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, rest) = place.split_once("://").ok_or(form)?;
        let (secure, engine) = match scheme.split_once('+').unwrap_or((scheme, "")) {
            ("redis", engine) => (false, engine),
            ("rediss", engine) => (true, engine),
            _ => return Err(form.into()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (user, hosts),
            None => ("", authority),
        };
        let (user, password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password)?)),
            None => (user, None),
        };
        let database = |text: &str| match text {
            "" => Ok(0),
            text => text
                .parse()
                .ok()
                .filter(|number: &i64| (0..=i64::from(u16::MAX)).contains(number))
                .ok_or("the path of the URL is the number of a database"),
        };
        let (engine, port) = match engine {
            "" => {
                let database = database(path)?;
                (Engine::Single { database }, 6379)
            }
            "sentinel" => {
                let (service, number) = path.split_once('/').unwrap_or((path, ""));
                let service = (*decoded(service)?).clone();
                if service.is_empty() {
                    return Err(
                        "the path of the URL is the name of the service that the sentinels watch"
                            .into(),
                    );
                }
                let database = database(number)?;
                (Engine::Sentinels { service, database }, 26379)
            }
            "cluster" if path.is_empty() => (Engine::Cluster, 6379),
            "cluster" => return Err("a cluster has no databases, and its URL no path".into()),
            _ => return Err(form.into()),
        };
        let hosts: Vec<_> = hosts
            .split(',')
            .map(|one| host(one, port))
            .collect::<Option<_>>()
            .ok_or(form)?;
        if matches!(engine, Engine::Single { .. }) && hosts.len() > 1 {
            return Err("several hosts are of redis+sentinel:// or redis+cluster://".into());
        }
        let some = |text: Zeroizing<String>| (!text.is_empty()).then_some(text);
        let mut place = Self {
            buckets: match engine {
                Engine::Cluster => Buckets::MOST,
                _ => 1,
            },
            engine,
            hosts,
            user: some(decoded(user)?).map(|user| (*user).clone()),
            password: password.and_then(some),
            sentinel_user: None,
            sentinel_password: None,
            tls: secure.then(Certificates::default),
            prefix: "2fapi".into(),
            replicas: 0,
            on_disk: true,
            connections: CONNECTIONS,
        };
        place.set(query)?;
        Ok(place)
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.engine, Engine::Cluster)
    }

    fn set(&mut self, query: &str) -> Result<(), String> {
        let (mut plain, mut certificate, mut key) = (false, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let number = |least: u32, most: u32| {
                let number = value.parse().ok();
                number
                    .filter(|number| (least..=most).contains(number))
                    .ok_or_else(|| format!("`{name}` is a number from {least} to {most}"))
            };
            match &*name {
                "replicas" => self.replicas = number(0, 100)?,
                "connections" => self.connections = number(1, 1000)? as usize,
                "buckets" => self.buckets = number(1, Buckets::MOST.into())? as u16,
                "durability" => {
                    self.on_disk = match &*value {
                        "disk" => true,
                        "none" => false,
                        _ => return Err("`durability` is `disk` or `none`".into()),
                    }
                }
                "prefix" => {
                    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                    if !(1..=32).contains(&value.len()) || !value.chars().all(fits) {
                        return Err("`prefix` is 1 to 32 letters, digits, -, _ and .".into());
                    }
                    self.prefix = value.into_owned();
                }
                "tls" => {
                    plain = match &*value {
                        "disable" => true,
                        _ => return Err("`tls` is `disable`, for what is private".into()),
                    }
                }
                "sslrootcert" => {
                    let authorities = read(&value)?.to_vec();
                    self.certificates(&name)?.authorities = Some(authorities);
                }
                "sslcert" => {
                    self.certificates(&name)?;
                    certificate = Some(read(&value)?.to_vec());
                }
                "sslkey" => {
                    self.certificates(&name)?;
                    key = Some(read(&value)?);
                }
                "sentinel_user" => self.sentinel_user = Some(value.into_owned()),
                "sentinel_password" => {
                    self.sentinel_password = Some(Zeroizing::new(value.into_owned()));
                }
                // Its value may be a secret that was misspelt.
                _ => return Err("the URL has a parameter that no store in Redis knows".into()),
            }
        }
        match (certificate, key) {
            (None, None) => {}
            (Some(certificate), Some(key)) => {
                self.certificates("sslcert")?.own = Some((certificate, key));
            }
            _ => return Err("`sslcert` and `sslkey` go together".into()),
        }
        let (secure, local) = (self.tls.is_some(), self.hosts.iter().all(is_local));
        match (secure, plain) {
            (true, true) => Err("rediss:// is TLS; `tls=disable` goes with redis://".into()),
            (false, false) if !local => Err(
                "redis:// to another machine is not encrypted: use rediss://, or say `tls=disable` if the network \
                 between them is private"
                    .into(),
            ),
            _ => Ok(()),
        }
    }

    fn certificates(&mut self, name: &str) -> Result<&mut Certificates, String> {
        let tls = self.tls.as_mut();
        tls.ok_or_else(|| format!("`{name}` goes with rediss://"))
    }
}

fn decoded(text: &str) -> Result<Zeroizing<String>, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| "what the URL says is no text")?;
    Ok(Zeroizing::new(decoded.into_owned()))
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn host(text: &str, port: u16) -> Option<(String, u16)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => {
            let (address, rest) = text.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, rest)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None if rest.is_empty() => port,
        None => return None,
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    (!host.is_empty() && host.chars().all(fits) && port != 0).then(|| (host.into(), port))
}

fn is_local((host, _): &(String, u16)) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn read(file: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let read = std::fs::read(file).map(Zeroizing::new);
    read.map_err(|error| format!("cannot read {file}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        Place::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    fn refused(url: &str) -> String {
        Place::parse(url)
            .err()
            .unwrap_or_else(|| panic!("{url} is read"))
    }

    #[test]
    fn each_kind_of_place_has_its_url() {
        let single = place("redis://localhost");
        assert_eq!(single.engine, Engine::Single { database: 0 });
        assert_eq!(single.hosts, [("localhost".into(), 6379)]);
        assert_eq!((single.buckets, single.replicas), (1, 0));
        assert!(single.on_disk && single.tls.is_none() && !single.is_cluster());

        let single =
            place("rediss://us%40er:p%3Aw%2F@db.example.com:7000/3?replicas=2&durability=none");
        assert_eq!(single.engine, Engine::Single { database: 3 });
        assert_eq!(single.user.as_deref(), Some("us@er"));
        assert_eq!(single.password.as_ref().unwrap().as_str(), "p:w/");
        assert!(single.tls.is_some() && !single.on_disk);
        assert_eq!(single.replicas, 2);

        let watched = place("redis+sentinel://:pw@127.0.0.1,[::1]:7/main/2?sentinel_password=x");
        let (service, database) = ("main".into(), 2);
        assert_eq!(watched.engine, Engine::Sentinels { service, database });
        assert_eq!(
            watched.hosts,
            [("127.0.0.1".into(), 26379), ("::1".into(), 7)]
        );
        assert_eq!((watched.user.clone(), watched.buckets), (None, 1));

        let cluster = place("rediss+cluster://a,b:1,c?prefix=other&connections=3");
        assert_eq!(cluster.hosts.len(), 3);
        assert_eq!((cluster.buckets, cluster.connections), (1024, 3));
        assert!(cluster.is_cluster() && cluster.prefix == "other");
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_the_operator_says_otherwise() {
        for url in [
            "redis://db.example.com",
            "redis+cluster://127.0.0.1,db.example.com",
            "redis+sentinel://10.0.0.1/main",
        ] {
            assert!(refused(url).contains("rediss://"), "{url}");
            place(&format!("{url}?tls=disable"));
            place(&url.replace("redis", "rediss"));
        }
        for url in ["redis://127.0.0.1", "redis://[::1]", "redis://localhost:1"] {
            place(url);
        }
        refused("rediss://db.example.com?tls=disable");
    }

    #[test]
    fn what_is_no_url_of_a_store_is_refused_without_its_password() {
        for url in [
            "s3cret",
            "http://u:s3cret@localhost",
            "redis+other://u:s3cret@localhost",
            "redis://u:s3cret@localhost:70000",
            "redis://u:s3cret@localhost:0",
            "redis://u:s3cret@/0",
            "redis://u:s3cret@localhost/s3cret",
            "redis://u:s3cret@localhost/-1",
            "redis://u:s3cret@localhost,localhost",
            "redis://u:s3cret@localhost?s3cret=1",
            "redis://u:s3cret@localhost?replicas=s3cret",
            "redis://u:s3cret@localhost?durability=s3cret",
            "redis://u:s3cret@localhost?buckets=1025",
            "redis://u:s3cret@localhost?prefix=s3cret{}",
            "redis://u:s3cret@localhost?sslcert=/dev/null",
            "rediss://u:s3cret@localhost?sslcert=/dev/null",
            "redis+sentinel://u:s3cret@localhost",
            "redis+cluster://u:s3cret@localhost/0",
            "redis://u:s3cret%ff@localhost",
            "redis://u:s3cret@[::1",
            "redis://u:s3cret@[s3cret]",
        ] {
            let said = refused(url);
            assert!(!said.contains("s3cret"), "{url}: {said}");
        }
        assert!(refused("rediss://h?sslrootcert=/nowhere.pem").contains("/nowhere.pem"));
    }
}
