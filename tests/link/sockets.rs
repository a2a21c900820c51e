//! Socket activation, the way to a port below 1024 without a privilege. Method: systemd's own tool opens the sockets and
//! starts the daemon with them.

use std::process::Command;

use crate::harness::{Daemon, SOON, WAYBILL, until};
use crate::plant::Plant;

/// Starts the OMA as systemd would, with these sockets; it comes to life with the first connection.
fn activated(plant: &Plant, sockets: &[String]) -> Daemon {
    let mut command = Command::new("systemd-socket-activate");
    for socket in sockets {
        command.args(["-l", socket]);
    }
    command.arg(WAYBILL).args(["oma", "--config"]).arg(plant.site.path("oma.toml"));
    let mut oma = Daemon::launch(&plant.site, "oma", command);
    oma.ready().unwrap_or_else(|status| panic!("the OMA ended with {status}"));
    oma
}

#[test]
fn the_sockets_that_systemd_has_opened_are_listened_on() {
    let plant = Plant::new();
    plant.tunnel(&plant.places.oma_tls.to_string(), None);
    let places = [plant.places.oma, plant.places.oma_tls].map(|place| place.to_string());
    let oma = activated(&plant, &places);
    let _vma = plant.site.vma();
    until("the link stands", SOON, || oma.log().contains("vma=site-a the link stands").then_some(()));
    assert!(!oma.log().contains("nothing in the configuration listens there"), "{}", oma.log());
}

#[test]
fn a_socket_that_nothing_listens_on_is_named() {
    let plant = Plant::new();
    plant.tunnel(&plant.places.oma_tls.to_string(), None);
    let stray = plant.free_place().to_string();
    let oma = activated(&plant, &[plant.places.oma.to_string(), stray.clone()]);
    let said = format!("systemd has opened {stray}, and nothing in the configuration listens there");
    assert!(oma.log().contains(&said), "{}", oma.log());
}
