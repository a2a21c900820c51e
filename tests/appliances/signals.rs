//! Signals and starts (R-84): an end within a second that loses nothing, a reload that takes the good and refuses the bad,
//! and a second daemon that says why it cannot run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{FAST, SOON, Site, until};
use crate::http::Peer;
use crate::mover::{self, Mover};

#[test]
fn sigterm_under_load_ends_within_a_second_and_loses_nothing() {
    let site = Site::fast();
    let (mut vma, mut oma) = (site.vma(), site.oma());
    let movers = 8;
    for n in 0..movers {
        Mover::new(&vma, &format!("job-{n}")).push(mover::DISK_STARTS);
        oma.post("/api/v1/jobs", &format!(r#"{{"id":"job-{n}","vma":"site-a"}}"#), 201);
    }
    // Peers that only sit there must not hold up the end.
    let mut idle: Vec<Peer> = (0..20).map(|_| Peer::new(vma.address())).collect();
    idle.iter_mut().for_each(|peer| assert_eq!(peer.call("GET", "/health", b"").unwrap().status, 200));
    let is_over = AtomicBool::new(false);
    let acknowledged: Vec<u64> = thread::scope(|scope| {
        let pushing: Vec<_> = (0..movers)
            .map(|n| {
                let (mut mover, is_over) = (Mover::new(&vma, &format!("job-{n}")), &is_over);
                scope.spawn(move || {
                    let mut acknowledged = 0;
                    while !is_over.load(Ordering::SeqCst) {
                        let Ok(answer) = mover.try_push(&mover::running(acknowledged + 1, 1_000_000)) else { break };
                        match answer.status {
                            200 => acknowledged += 1,
                            // An honest refusal by a daemon that is stopping.
                            503 => break,
                            _ => panic!("{answer:?}"),
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        until("the OMA sees every job stream", SOON, || {
            let streaming =
                "SELECT count(*) FROM replication_jobs WHERE status = 'streaming' AND bytes_transferred > 100";
            (site.rows(streaming) == [movers.to_string()]).then_some(())
        });
        for daemon in [&mut oma, &mut vma] {
            daemon.signal(Signal::TERM);
            let asked = Instant::now();
            let status = daemon.ended(SOON);
            assert_eq!(
                (status.code(), asked.elapsed() < Duration::from_secs(1)),
                (Some(0), true),
                "{:?}",
                asked.elapsed()
            );
        }
        is_over.store(true, Ordering::SeqCst);
        pushing.into_iter().map(|mover| mover.join().unwrap()).collect()
    });
    assert!(vma.log().contains("VMA site-a has stopped") && oma.log().contains("OMA has stopped"));
    let vma = site.vma();
    for (n, acknowledged) in acknowledged.into_iter().enumerate() {
        let bytes = vma.document(&format!("job-{n}"))["aggregate"]["bytes_transferred"].as_u64().unwrap();
        assert!(acknowledged > 100 && bytes >= acknowledged, "job-{n}: {bytes} of {acknowledged} acknowledged bytes");
    }
}

#[test]
fn sighup_takes_a_good_configuration_and_refuses_a_broken_one() {
    let site = Site::fast();
    let (mut vma, mut oma) = (site.vma(), site.oma());
    let push = |id: &str| Mover::new(&vma, id).try_push(mover::INITIALIZING).unwrap().status;
    assert_eq!(push("before"), 200);
    site.configure_vma("auto_initialize = false");
    vma.signal(Signal::HUP);
    let reloaded = |log: String| log.contains("configuration reloaded").then_some(());
    until("the reload is told", SOON, || reloaded(vma.log()));
    assert_eq!((push("undeclared"), push("before")), (404, 200));
    site.configure_vma("auto_initialize = true\nauto_initialise = true");
    vma.signal(Signal::HUP);
    let told = until("the fault is told", SOON, || {
        vma.log().split_once("the configuration stays as it was").map(|(_, told)| told.to_owned())
    });
    assert!(told.contains("vma.toml:5:") && told.contains("auto_initialise"), "{told}");
    assert_eq!((push("undeclared"), push("before")), (404, 200), "the old configuration holds");

    let track = |job: &str, vma: &str| {
        oma.call("POST", "/api/v1/jobs", format!(r#"{{"id":"{job}","vma":"{vma}"}}"#).as_bytes()).status
    };
    assert_eq!(track("job-b", "site-b"), 400);
    let second = format!("{FAST}\n[[vma]]\nname = \"site-b\"\nurl = \"{}\"\n", site.url("vma"));
    site.configure_oma(&second, &site.url("vma"));
    oma.signal(Signal::HUP);
    until("the reload is told", SOON, || reloaded(oma.log()));
    assert_eq!(track("job-b", "site-b"), 201);
    site.configure_oma(&second.replace("min_interval = \"100ms\"", "min_interval = \"300ms\""), &site.url("vma"));
    oma.signal(Signal::HUP);
    let told = until("the job's log says it", SOON, || site.events("job-b", "pace_reconfigured").pop());
    assert!(
        told.contains("polls are 100 ms apart") && told.ends_with("rows are written after 1.00 % or 300 ms"),
        "{told}"
    );
    site.configure_oma(&second.replace("100ms", "soon"), &site.url("vma"));
    oma.signal(Signal::HUP);
    let told = until("the fault is told", SOON, || {
        oma.log().split_once("the configuration stays as it was").map(|(_, told)| told.to_owned())
    });
    assert!(told.contains("oma.toml:5:") && told.contains("poll.interval") && told.contains("soon"), "{told}");
    assert_eq!(track("job-c", "site-b"), 201);
    assert!(vma.is_running() && oma.is_running());
}

#[test]
fn a_second_daemon_at_the_same_port_or_database_says_so_and_ends() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    for (role, daemon) in [("vma", &vma), ("oma", &oma)] {
        let output = site.command(role).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{said}");
        let address = site.address(role);
        assert!(
            said.contains(&format!("waybill: cannot listen on {address}: ")) && said.contains("ss -ltnp"),
            "{said}"
        );
        assert!(daemon.is_healthy());
    }
    for role in ["vma", "oma"] {
        let file = site.path(&format!("{role}.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace(&site.address(role).to_string(), "127.0.0.1:0")).unwrap();
        let output = site.command(role).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("{role}.db")) && said.contains("another daemon has this database"), "{said}");
    }
    std::fs::write(site.path("vma.toml"), "name = \"site-a\"\nlisten = \"0.0.0.0:8081\"\n").unwrap();
    let output = site.command("vma").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("vma.toml:2:") && said.contains("listen"), "{said}");
}
