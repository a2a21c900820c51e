//! Every way from one appliance to the other that `[tunnel]`, `[tls]` and a forward allow, with the real programs on it
//! each tracks a job of two disks to its end.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::companion::Companion;
use crate::harness::{SOON, until};
use crate::plant::{Dials, Plant, Proxy};
use crate::run::Run;

const JOB: &str = "job-20250925-134230.513-8034ee";
const USER: &str = "waybill";
const PASSWORD: &str = "correct: horse";
const RIGHT: Option<(&str, &str)> = Some((USER, PASSWORD));
const WRONG: Option<(&str, &str)> = Some((USER, "battery"));

#[test]
fn the_vma_dials() {
    let plant = Plant::new();
    Dials::Vma.configure(&plant, plant.places.oma_tls, None);
    let (vma, oma) = plant.start();
    Run::to_its_end(&plant, JOB);
    assert!(vma.log().contains("the link to the OMA stands"), "{}", vma.log());
    assert!(oma.log().contains("vma=site-a the link stands"), "{}", oma.log());
}

#[test]
fn the_oma_dials() {
    let plant = Plant::new();
    Dials::Oma.configure(&plant, plant.places.vma_tls, None);
    let (vma, oma) = plant.start();
    Run::to_its_end(&plant, JOB);
    assert!(vma.log().contains("the link to the OMA stands"), "{}", vma.log());
    assert!(oma.log().contains("vma=site-a the link stands"), "{}", oma.log());
}

/// A job is tracked through the proxy, whichever side dials.
fn through_open(start: impl Fn(&Plant, SocketAddr) -> (Companion, String)) {
    for dials in Dials::BOTH {
        let plant = Plant::new();
        let (_proxy, url) = start(&plant, plant.free_place());
        dials.configure(&plant, dials.target(&plant), Some(&Proxy { url, credentials: None }));
        let _daemons = plant.start();
        Run::to_its_end(&plant, JOB);
    }
}

/// A wrong password is told by whoever dials; the right one holds without a new start.
fn through_guarded(start: impl Fn(&Plant, SocketAddr) -> (Companion, String), refused: &str, unasked: &str) {
    for dials in Dials::BOTH {
        let plant = Plant::new();
        let (_proxy, url) = start(&plant, plant.free_place());
        let target = dials.target(&plant);
        dials.configure(&plant, target, Some(&Proxy { url: url.clone(), credentials: None }));
        let daemons = plant.start();
        let told = |expected: &str| {
            let log = || dials.of(&daemons).log();
            let what = format!("{dials:?}: {expected:?} in the log");
            until(&what, SOON, || log().contains(expected).then_some(()));
        };
        told(unasked);
        drop(daemons);
        dials.configure(&plant, target, Some(&Proxy { url, credentials: WRONG }));
        let daemons = plant.start();
        let dialler = dials.of(&daemons);
        until("the refusal is told", SOON, || dialler.log().contains(refused).then_some(()));
        let log = dialler.log();
        assert!(!log.contains("battery"), "{log}");
        let line = log.lines().find(|line| line.contains(refused)).unwrap();
        let expected = format!("{target} is not reached: proxy: the proxy ");
        assert!(line.contains(&expected), "{expected} in {line}");
        plant.write_secret("proxy_password_file", PASSWORD);
        Run::to_its_end(&plant, JOB);
    }
}

#[test]
fn through_squid() {
    through_open(|plant, place| (squid(plant, place, None), format!("http://{place}")));
}

#[test]
fn through_squid_that_wants_a_password() {
    let secrets = TempDir::new().unwrap();
    let users = users_file(&secrets);
    let start = |plant: &Plant, place| (squid(plant, place, Some(&users)), format!("http://{place}"));
    through_guarded(start, "does not take the user's name and password (407)", "(407): name their files in proxy_");
}

/// What squid reads as another user than root.
fn users_file(folder: &TempDir) -> PathBuf {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let hashed = Command::new("openssl").args(["passwd", "-apr1", PASSWORD]).output().unwrap();
    let file = folder.path().join("users");
    fs::write(&file, format!("{USER}:{}", String::from_utf8(hashed.stdout).unwrap())).unwrap();
    file
}

fn squid(plant: &Plant, place: SocketAddr, users: Option<&Path>) -> Companion {
    let (vma, oma) = (plant.places.vma_tls, plant.places.oma_tls);
    let allowed = match users {
        Some(users) => format!(
            "auth_param basic program /usr/lib/squid/basic_ncsa_auth {}\nauth_param basic children 1\n\
             acl known proxy_auth REQUIRED\nhttp_access allow CONNECT links known\n",
            users.display()
        ),
        None => "http_access allow CONNECT links\n".to_owned(),
    };
    let text = format!(
        "http_port {place}\nvisible_hostname proxy.example\ncache_effective_user proxy\ncache deny all\n\
         access_log none\ncache_log /dev/stderr\ncache_store_log none\nnetdb_filename none\npid_filename none\n\
         shutdown_lifetime 0 seconds\ncoredump_dir none\nacl links port {} {}\nacl CONNECT method CONNECT\n\
         {allowed}http_access deny all\n",
        vma.port(),
        oma.port()
    );
    let file = plant.site.path("squid.conf");
    fs::write(&file, text).unwrap();
    let mut command = Command::new("squid");
    command.arg("-N").arg("-f").arg(&file);
    Companion::start(&plant.site, command, &[place])
}

#[test]
fn through_microsocks() {
    through_open(|plant, place| (microsocks(plant, place, None), format!("socks5://{place}")));
}

#[test]
fn through_microsocks_that_wants_a_password() {
    let start = |plant: &Plant, place| (microsocks(plant, place, RIGHT), format!("socks5://{place}"));
    through_guarded(
        start,
        "it does not take the user's name and password",
        "it wants to know who asks: name the files",
    );
}

fn microsocks(plant: &Plant, place: SocketAddr, who: Option<(&str, &str)>) -> Companion {
    let mut command = Command::new("microsocks");
    command.args(["-i", &place.ip().to_string(), "-p", &place.port().to_string()]);
    if let Some((user, password)) = who {
        command.args(["-u", user, "-P", password]);
    }
    Companion::start(&plant.site, command, &[place])
}

#[test]
fn through_haproxy() {
    for dials in Dials::BOTH {
        let plant = Plant::new();
        let place = plant.free_place();
        let _haproxy = haproxy(&plant, place, dials.target(&plant));
        dials.configure(&plant, place, None);
        let _daemons = plant.start();
        Run::to_its_end(&plant, JOB);
    }
}

/// Hands connections on byte by byte.
pub fn haproxy(plant: &Plant, place: SocketAddr, target: SocketAddr) -> Companion {
    let text = format!(
        "global\n  nbthread 1\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen link\n  bind {place}\n  server it {target}\n"
    );
    let file = plant.site.path("haproxy.cfg");
    fs::write(&file, text).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    Companion::start(&plant.site, command, &[place])
}

/// Both near ends, plain, and one connection with TLS for each direction.
#[test]
fn forwarded_by_stunnel() {
    let plant = Plant::new();
    let (near_vma, far_vma) = (plant.free_place(), plant.free_place());
    let (near_oma, far_oma) = (plant.free_place(), plant.free_place());
    let _beside_vma = stunnel(&plant, "vma", [(near_oma, far_oma), (far_vma, plant.places.movers)]);
    let _beside_oma = stunnel(&plant, "oma", [(near_vma, far_vma), (far_oma, plant.places.oma)]);
    plant.forward(near_vma, near_oma);
    let _daemons = plant.start();
    Run::to_its_end(&plant, JOB);
}

/// Each pair is where it listens and where it goes on to: the first is plain here, the second is plain there.
fn stunnel(plant: &Plant, role: &str, [out, into]: [(SocketAddr, SocketAddr); 2]) -> Companion {
    let (certificate, key) = plant.files_of(role);
    let text = format!(
        "foreground = yes\npid =\nsyslog = no\ncert = {}\nkey = {}\nCAfile = {}\nverifyChain = yes\n\
         [out]\nclient = yes\naccept = {}\nconnect = {}\n[into]\naccept = {}\nconnect = {}\n",
        certificate.display(),
        key.display(),
        plant.authority_file().display(),
        out.0,
        out.1,
        into.0,
        into.1
    );
    let file = plant.site.path(&format!("stunnel.{role}.conf"));
    fs::write(&file, text).unwrap();
    let mut command = Command::new("stunnel4");
    command.arg(&file);
    Companion::start(&plant.site, command, &[out.0, into.0])
}

/// One connection that the VMA's side opens carries both directions.
#[test]
fn forwarded_by_ssh() {
    let plant = Plant::new();
    let (server, near_vma, near_oma) = (plant.free_place(), plant.free_place(), plant.free_place());
    let _sshd = sshd(&plant, server);
    let mut ssh = Command::new("ssh");
    ssh.args(["-N", "-F", "none", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "IdentitiesOnly=yes"]);
    ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    ssh.arg("-i").arg(plant.site.path("ssh_user"));
    ssh.arg("-L").arg(format!("{near_oma}:{}", plant.places.oma));
    ssh.arg("-R").arg(format!("{near_vma}:{}", plant.places.movers));
    ssh.arg("-p").arg(server.port().to_string()).arg(plant.host().to_string());
    let _ssh = Companion::start(&plant.site, ssh, &[near_oma, near_vma]);
    plant.forward(near_vma, near_oma);
    let _daemons = plant.start();
    Run::to_its_end(&plant, JOB);
}

fn sshd(plant: &Plant, place: SocketAddr) -> Companion {
    let path = |name: &str| plant.site.path(name);
    for name in ["ssh_host", "ssh_user"] {
        let mut keygen = Command::new("ssh-keygen");
        let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path(name)).status().unwrap();
        assert!(made.success());
    }
    let text = format!(
        "ListenAddress {place}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
         AllowTcpForwarding yes\nGatewayPorts clientspecified\n",
        path("ssh_host").display(),
        path("ssh_user.pub").display()
    );
    fs::write(path("sshd_config"), text).unwrap();
    // As root it wants a folder that its package's service makes: here in a view of the files that nobody else has.
    let script = "mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f \"$0\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(path("sshd_config"));
    Companion::start(&plant.site, command, &[place])
}
