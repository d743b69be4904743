//! How a place is reached: one node, the master that sentinels name, or a cluster; each by the client of its kind.

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult,
    TlsCertificates, TlsMode,
    aio::MultiplexedConnection,
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};

use super::place::{Engine, Place, WITHIN};

/// A connection to whoever answers for the store.
pub(super) enum Reached {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Place {
    /// Connects to the node that the URL names, to the master that the sentinels name, or to a cluster.
    pub(super) async fn reach(&self, config: &AsyncConnectionConfig) -> RedisResult<Reached> {
        if self.tls.is_some() {
            // Where two providers are compiled in, rustls does not choose.
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            // An error says that the process has chosen.
            let _ = provider.install_default();
        }
        match &self.engine {
            Engine::Single { database } => {
                let [host, ..] = &self.hosts[..] else {
                    return Err(nowhere());
                };
                let info = self
                    .address(host)
                    .into_connection_info()?
                    .set_redis_settings(self.settings(*database));
                let client = match self.tls_certificates() {
                    Some(certificates) => Client::build_with_tls(info, certificates)?,
                    None => Client::open(info)?,
                };
                let reached = client.get_multiplexed_async_connection_with_config(config);
                reached.await.map(Reached::Node)
            }
            Engine::Sentinels { service, database } => {
                let mut sentinels = self.sentinels(service, *database)?.build()?;
                let reached = sentinels.get_async_connection_with_config(config);
                reached.await.map(Reached::Node)
            }
            Engine::Cluster => {
                let nodes = self.hosts.iter().map(|host| {
                    let info: RedisResult<ConnectionInfo> =
                        self.address(host).into_connection_info();
                    info
                });
                let nodes = nodes.collect::<RedisResult<Vec<_>>>()?;
                let mut builder = ClusterClient::builder(nodes)
                    // One node that does not answer leaves time for the others.
                    .connection_timeout(WITHIN / 3)
                    .response_timeout(WITHIN);
                if let Some(user) = &self.user {
                    builder = builder.username(user);
                }
                if let Some(password) = &self.password {
                    builder = builder.password(password.as_str());
                }
                if let Some(certificates) = self.tls_certificates() {
                    builder = builder.tls(TlsMode::Secure).certs(certificates);
                }
                let reached = builder.build()?.get_async_connection().await?;
                Ok(Reached::Cluster(reached))
            }
        }
    }

    fn sentinels(&self, service: &str, database: i64) -> RedisResult<SentinelClientBuilder> {
        let addresses = self.hosts.iter().map(|host| self.address(host));
        let mut builder =
            SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)?
                .set_client_to_redis_db(database)
                .set_client_to_redis_protocol(ProtocolVersion::RESP3);
        if let Some(user) = &self.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_redis_password(password.as_str());
        }
        if let Some(user) = &self.sentinel_user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &self.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password.as_str());
        }
        if let Some(certificates) = self.tls_certificates() {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        Ok(builder)
    }

    fn address(&self, (host, port): &(String, u16)) -> ConnectionAddr {
        match self.tls {
            None => ConnectionAddr::Tcp(host.clone(), *port),
            Some(_) => ConnectionAddr::TcpTls {
                host: host.clone(),
                port: *port,
                insecure: false,
                tls_params: None,
            },
        }
    }

    fn settings(&self, database: i64) -> RedisConnectionInfo {
        // By the newer protocol a connection says when it breaks.
        let mut settings = RedisConnectionInfo::default()
            .set_db(database)
            .set_protocol(ProtocolVersion::RESP3);
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.as_str());
        }
        settings
    }

    fn tls_certificates(&self) -> Option<TlsCertificates> {
        let certificates = self.tls.as_ref()?;
        Some(TlsCertificates {
            client_tls: certificates
                .own
                .as_ref()
                .map(|(certificate, key)| ClientTlsConfig {
                    client_cert: certificate.clone(),
                    client_key: key.to_vec(),
                }),
            root_cert: certificates.authorities.clone(),
        })
    }
}

fn nowhere() -> RedisError {
    RedisError::from((
        redis::ErrorKind::InvalidClientConfig,
        "the URL names no host",
    ))
}
