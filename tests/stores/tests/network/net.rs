//! Machines, and the two networks between them.

use std::{
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use twofapi_tests_stores::processes::Host;

/// Where clients are, with this process among them.
const FRONT: &str = "10.77.0";
/// Where stores are. This process is there as well, as whoever administers them.
const BACK: &str = "10.77.1";

/// A machine: it has the same number in both networks.
pub(crate) struct Machine {
    pub(crate) host: Host,
    /// Its address where stores are.
    pub(crate) back: String,
    leg: String,
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output();
    let done = done.expect("ip");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {words}: {said}");
}

fn networks() {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        assert!(
            std::env::var_os("TWOFAPI_OWN_NETWORK").is_some(),
            "these tests change the network, and need one of their own: tests/stores/cuts runs them"
        );
        for (bridge, net) in [("front", FRONT), ("back", BACK)] {
            ip(&format!("link add {bridge} type bridge"));
            ip(&format!("addr add {net}.254/24 dev {bridge}"));
            ip(&format!("link set {bridge} up"));
        }
    });
}

impl Machine {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU8 = AtomicU8::new(1);
        networks();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("machine{number}");
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
        for (bridge, net) in [("front", FRONT), ("back", BACK)] {
            let leg = format!("{bridge}{number}");
            ip(&format!(
                "link add {leg} type veth peer name {bridge} netns {name}"
            ));
            ip(&format!("link set {leg} master {bridge} up"));
            ip(&format!(
                "-n {name} addr add {net}.{number}/24 dev {bridge}"
            ));
            ip(&format!("-n {name} link set {bridge} up"));
            // That a neighbour is gone is noticed soon; of a machine beyond routers nobody hears.
            ip(&format!(
                "-n {name} ntable change name arp_cache dev {bridge} mcast_probes 1000 ucast_probes 1000"
            ));
        }
        Self {
            host: Host::of(&name, &format!("{FRONT}.{number}")),
            back: format!("{BACK}.{number}"),
            leg: format!("back{number}"),
        }
    }

    /// What is sent from it to where stores are, or from there to it, arrives nowhere; nobody is told.
    pub(crate) fn cut(&self) {
        ip(&format!("link set {} nomaster", self.leg));
    }

    pub(crate) fn mend(&self) {
        ip(&format!("link set {} master back", self.leg));
    }
}
