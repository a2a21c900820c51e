//! A hundred VMAs on one OMA. Goal: what a link costs, and that they come back without a herd when the OMA was
//! restarted. A measurement: `cargo test --test link hundred -- --ignored --nocapture`.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::certificates::NOW;
use crate::harness::{Daemon, until, waybill};
use crate::plant::Plant;

const VMAS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(60);

/// Processes that end with the test.
struct Herd(Vec<Child>);

impl Drop for Herd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// When links stood, from the log's own times, in milliseconds of the day.
fn arrivals(log: &str) -> Vec<u64> {
    let stands = log.lines().filter(|line| line.contains("the link stands"));
    stands.map(|line| day_millis(&line[12..24])).collect()
}

/// `17:14:01.123` in milliseconds.
fn day_millis(time: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| time[range].parse::<u64>().unwrap();
    ((number(0..2) * 60 + number(3..5)) * 60 + number(6..8)) * 1000 + number(9..12)
}

#[test]
#[ignore = "a measurement"]
fn a_hundred_vmas_on_one_oma() {
    let plant = Plant::new();
    plant.tunnel(&plant.places.oma_tls.to_string(), None);
    let config = plant.site.path("oma.toml");
    let mut text = fs::read_to_string(&config).unwrap();
    for number in 0..VMAS {
        write!(text, "[[vma]]\nname = \"vma-{number}\"\ntunnel = true\n").unwrap();
    }
    fs::write(&config, text).unwrap();
    let mut oma: Daemon = plant.site.oma();
    let alone = resident_kib(oma.pid());

    let mut herd = Herd(Vec::new());
    for number in 0..VMAS {
        let identity = plant.authority.issue(&format!("URI:urn:waybill:vma:vma-{number}"), NOW);
        fs::set_permissions(&identity.key, fs::Permissions::from_mode(0o600)).unwrap();
        let file = plant.site.path(&format!("vma-{number}.toml"));
        let database = plant.site.path(&format!("vma-{number}.db"));
        let text = format!(
            "name = \"vma-{number}\"\ndatabase = \"{}\"\nlisten = \"{}:{}\"\n[tunnel]\noma = \"{}\"\ncertificate = \"{}\"\n\
             key = \"{}\"\nca_file = \"{}\"\n",
            database.display(),
            plant.host(),
            30_000 + number,
            plant.places.oma_tls,
            identity.certificate.display(),
            identity.key.display(),
            plant.authority_file().display(),
        );
        fs::write(&file, text).unwrap();
        let mut command: Command = waybill(&["vma", "--config"]);
        command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        herd.0.push(command.spawn().unwrap());
    }
    until("all links stand", PATIENCE, || (arrivals(&oma.log()).len() == VMAS).then_some(()));
    std::thread::sleep(Duration::from_secs(5));
    let full = resident_kib(oma.pid());
    println!(
        "memory of the OMA: {alone} KiB alone, {full} KiB with {VMAS} links, {} KiB each",
        (full - alone) / VMAS as u64
    );

    oma.kill();
    let restarted = Instant::now();
    oma = plant.site.oma();
    until("all are back", PATIENCE, || (arrivals(&oma.log()).len() == 2 * VMAS).then_some(()));
    let back = &arrivals(&oma.log())[VMAS..];
    let first = back.iter().min().unwrap();
    let mut tenths = [0; 100];
    for at in back {
        tenths[usize::try_from((at - first) / 100).unwrap().min(99)] += 1;
    }
    println!("all back {:?} after the restart, over {} ms", restarted.elapsed(), back.iter().max().unwrap() - first);
    println!("links a tenth of a second: {:?}", &tenths[..(tenths.iter().rposition(|n| *n > 0).unwrap() + 1)]);
}
