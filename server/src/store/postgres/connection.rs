//! How the store reaches PostgreSQL: what its URL says, TLS, and the pool of connections. Every statement has a time
//! by which it must have been answered.

use std::{net::IpAddr, sync::Arc, time::Duration};

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_tokio_postgres::MakeRustlsConnect;
use tokio_postgres::{
    IsolationLevel, NoTls, Row,
    config::{Host, SslMode},
    error::DbError,
    types::{ToSql, Type},
};
use url::form_urlencoded;

use super::schema::SchemaName;
use crate::store::api::StoreError;

/// How long a statement, or the wait for a connection, may take.
const WITHIN: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 16;

/// A parameter with its type, so that a statement needs no round trip to be prepared.
pub(super) type Typed<'a> = (&'a (dyn ToSql + Sync), Type);

/// The connections, and the schema that statements name.
pub(super) struct Connections {
    pool: Pool,
    schema: SchemaName,
    prepared: bool,
}

/// Where a store is and how it is reached, as its URL says.
struct Place {
    config: tokio_postgres::Config,
    tls: Option<Arc<ClientConfig>>,
    schema: SchemaName,
    connections: usize,
    prepared: bool,
}

impl Connections {
    /// Reads a URL such as `postgres://user@host/database?sslmode=require`. It connects to nobody yet.
    ///
    /// The parameters are those of libpq that tokio-postgres knows, and `sslrootcert`, `schema`, `statements` and
    /// `connections`.
    pub(super) fn to(url: &str) -> Result<Self, StoreError> {
        let place = Place::parse(url).map_err(StoreError)?;
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match place.tls {
            Some(tls) => {
                let tls = MakeRustlsConnect::new(Arc::unwrap_or_clone(tls));
                Manager::from_config(place.config, tls, recycling)
            }
            None => Manager::from_config(place.config, NoTls, recycling),
        };
        let pool = Pool::builder(manager)
            .max_size(place.connections)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(WITHIN),
                create: Some(WITHIN),
                recycle: Some(WITHIN),
            })
            .build()
            .map_err(failed)?;
        Ok(Self {
            pool,
            schema: place.schema,
            prepared: place.prepared,
        })
    }

    pub(super) const fn schema(&self) -> &SchemaName {
        &self.schema
    }

    /// Runs one statement in a transaction of its own, in one round trip; where the operator says that each connection
    /// stays with one server, it is prepared there once, which is another one. All rows are here when its transaction
    /// is over, and not before.
    pub(super) async fn rows(
        &self,
        statement: &str,
        parameters: &[Typed<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection().await?;
        let answered = async {
            if !self.prepared {
                return connection.query_typed(statement, parameters).await;
            }
            let types: Vec<_> = parameters.iter().map(|(_, kind)| kind.clone()).collect();
            let values: Vec<_> = parameters.iter().map(|(value, _)| *value).collect();
            let prepared = connection.prepare_typed_cached(statement, &types).await?;
            connection.query(&prepared, &values).await
        };
        match tokio::time::timeout(WITHIN, answered).await {
            Ok(rows) => rows.map_err(failed),
            Err(_) => {
                // Its answer may still come: nobody else is to get that connection.
                drop(Object::take(connection));
                Err(late())
            }
        }
    }

    /// As [`Connections::rows`], where there is one row or none.
    pub(super) async fn row(
        &self,
        statement: &str,
        parameters: &[Typed<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(statement, parameters).await?.pop())
    }

    /// Runs statements in one transaction, each of which sees what everybody did who came before. Gives the rows of
    /// the last.
    pub(super) async fn in_turn(
        &self,
        statements: &[(&str, &[Typed<'_>])],
    ) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.connection().await?;
        let done = async {
            let transaction = connection
                .build_transaction()
                .isolation_level(IsolationLevel::ReadCommitted)
                .start()
                .await?;
            let mut rows = Vec::new();
            for (statement, parameters) in statements {
                rows = transaction.query_typed(statement, parameters).await?;
            }
            transaction.commit().await?;
            Ok(rows)
        };
        match tokio::time::timeout(WITHIN, done).await {
            Ok(done) => done.map_err(|error: tokio_postgres::Error| failed(error)),
            Err(_) => {
                drop(Object::take(connection));
                Err(late())
            }
        }
    }

    /// A connection for a transaction of several statements.
    pub(super) async fn connection(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => failed(error),
            other => failed(other),
        })
    }
}

fn late() -> StoreError {
    StoreError(format!(
        "PostgreSQL did not answer within {} s",
        WITHIN.as_secs()
    ))
}

/// What PostgreSQL says, without what it quotes of a statement or of its parameters.
pub(super) fn failed(error: impl std::error::Error) -> StoreError {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = match error.downcast_ref::<DbError>() {
            Some(error) => format!("{} ({})", error.message(), error.code().code()),
            None => error.to_string(),
        };
        // Some errors say their cause themselves.
        if !reason.ends_with(&cause) {
            reason = format!("{reason}: {cause}");
        }
        source = error.source();
    }
    StoreError(reason)
}

impl Place {
    /// Errors quote nothing of the URL, which may have a password in it.
    fn parse(url: &str) -> Result<Self, String> {
        let form = "expected a URL such as postgres://user@host/database";
        // Not by the rules for URLs of the web: several hosts with a port each are good here.
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        if !place.starts_with("postgres://") && !place.starts_with("postgresql://") {
            return Err(form.into());
        }
        let mut schema = SchemaName::default();
        let (mut connections, mut authorities, mut mode) = (CONNECTIONS, None, None);
        let mut prepared = false;
        let mut others = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "schema" => schema = SchemaName::parse(&value)?,
                "connections" => {
                    let number = value.parse().ok().filter(|n| (1..=1000).contains(n));
                    connections = number.ok_or("`connections` is a number from 1 to 1000")?;
                }
                "statements" => {
                    prepared = match &*value {
                        "prepared" => true,
                        "one-shot" => false,
                        _ => return Err("`statements` is `one-shot` or `prepared`".into()),
                    }
                }
                "sslrootcert" => authorities = Some(value.into_owned()),
                "sslmode" => mode = Some(value.into_owned()),
                "options" => {
                    return Err(
                        "`options` does not work through a pool such as PgBouncer; set \
                                it with ALTER ROLE"
                            .into(),
                    );
                }
                _ => {
                    others.append_pair(&name, &value);
                }
            }
        }
        let others = others.finish();
        let mut config: tokio_postgres::Config = format!("{place}?{others}")
            .parse()
            .map_err(|error: tokio_postgres::Error| format!("{form}: {error}"))?;
        // As every client of PostgreSQL does, so that no password need be in a URL.
        if config.get_password().is_none()
            && let Some(password) = std::env::var_os("PGPASSWORD")
            && let Some(password) = password.to_str().filter(|password| !password.is_empty())
        {
            config.password(password);
        }
        let local = config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(host) => {
                host == "localhost"
                    || host
                        .trim_matches(['[', ']'])
                        .parse()
                        .is_ok_and(|host: IpAddr| host.is_loopback())
            }
        });
        let encrypted = match mode.as_deref() {
            Some("disable") => false,
            Some("require" | "verify-full") => true,
            // What does not leave the machine needs none.
            None => !local || authorities.is_some(),
            Some(_) => {
                return Err(
                    "`sslmode` is `require` (the certificate is checked) or `disable`".into(),
                );
            }
        };
        // One host that does not answer leaves time for the others.
        let each = WITHIN / (config.get_hosts().len().max(1) as u32 + 1);
        config
            .ssl_mode(match encrypted {
                true => SslMode::Require,
                false => SslMode::Disable,
            })
            .application_name("2fapi")
            .connect_timeout(each);
        let tls = encrypted.then(|| tls(authorities.as_deref())).transpose()?;
        Ok(Self {
            config,
            tls,
            schema,
            connections,
            prepared,
        })
    }
}

/// TLS that trusts the authorities of this file, or those of the system.
fn tls(authorities: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let found: Vec<_> = match authorities {
        Some(file) => CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|error| format!("cannot read certificates from {file}: {error:?}"))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(found);
    if roots.is_empty() {
        return Err("there is no certificate authority to trust; name one with sslrootcert".into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS does not work: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Place::parse(url).err().expect("it is refused")
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_the_operator_says_otherwise() {
        for (url, encrypted) in [
            ("postgres://u@localhost/d", false),
            ("postgres://u@127.0.0.1/d", false),
            ("postgres://u@%2Frun%2Fpostgresql/d", false),
            ("postgres://u@localhost/d?sslmode=require", true),
            ("postgres://u@db.example.com/d", true),
            ("postgres://u@db.example.com/d?sslmode=verify-full", true),
            ("postgres://u@localhost:1,db.example.com:2/d", true),
            ("postgres://u@db.example.com/d?sslmode=disable", false),
        ] {
            let place = Place::parse(url).unwrap();
            assert_eq!(place.tls.is_some(), encrypted, "{url}");
            let mode = match encrypted {
                true => SslMode::Require,
                false => SslMode::Disable,
            };
            assert_eq!(place.config.get_ssl_mode(), mode, "{url}");
        }
        assert!(refused("postgres://u@db.example.com/d?sslmode=prefer").contains("sslmode"));
        let missing = refused("postgres://u@db.example.com/d?sslrootcert=/nowhere.pem");
        assert!(missing.contains("/nowhere.pem"), "{missing}");
    }

    #[test]
    fn what_is_no_url_of_a_store_is_refused_without_its_password() {
        for url in [
            "postgres://u:s3cret@host:70000/d",
            "postgres://u:s3cret@host/d?no_such=1",
            "postgres://u:s3cret@host/d?schema=public;drop",
            "postgres://u:s3cret@host/d?connections=0",
            "postgres://u:s3cret@host/d?options=-c",
            "u:s3cret",
        ] {
            let said = refused(url);
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn the_schema_and_the_number_of_connections_are_the_urls() {
        let place = Place::parse("postgres://u@localhost/d?schema=other&connections=3").unwrap();
        assert_eq!((place.schema.as_str(), place.connections), ("other", 3));
        let place = Place::parse("postgres://u@localhost/d").unwrap();
        assert_eq!(place.schema.as_str(), "twofapi_service");
    }
}
