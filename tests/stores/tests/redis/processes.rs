//! The command `2fapi serve`, three times behind nginx, over Redis that fails over under load.

use twofapi_tests_stores::processes::{Store, come_and_go};

use crate::{cluster::Cluster, sentinel::Watched};

#[test]
fn servers_of_a_cluster_come_and_go_under_load_and_go_on_when_a_node_is_lost() {
    let mut cluster = Cluster::start(1);
    let store = Store::at(cluster.url("buckets=64&replicas=1"), &[]);
    come_and_go(&store, Some(&mut || cluster.nodes[0].kill()));
}

#[test]
fn servers_behind_sentinels_come_and_go_under_load_and_go_on_when_the_master_is_lost() {
    let mut watched = Watched::start();
    let store = Store::at(watched.url.clone(), &[]);
    come_and_go(&store, Some(&mut || watched.master.kill()));
}
