//! The certificates that the appliances show (R-62). Goal: their ends are known before they come, wherever people look, and
//! a new one needs no restart. Method: both daemons, certificates that openssl made, and Prometheus's own judge of the page.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::certificates::{Authority, Identity, NOW};
use crate::fake_clock::FakeClock;
use crate::harness::{Daemon, SOON, until};
use crate::plant::{Dials, Plant};

/// The value of one sample of a daemon's page.
pub fn sample(daemon: &Daemon, series: &str) -> Option<String> {
    let answer = daemon.get("/metrics");
    assert_eq!(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
    let page = answer.body;
    let mut values = page.lines().filter_map(|line| Some(line.strip_prefix(series)?.strip_prefix(' ')?.to_owned()));
    let value = values.next();
    assert_eq!(values.next(), None, "{series} stands there twice: {page}");
    value
}

/// What openssl says of a certificate.
fn openssl(file: &Path, what: &[&str]) -> String {
    let output = Command::new("openssl").args(["x509", "-noout", "-in"]).arg(file).args(what).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn end_of(file: &Path) -> String {
    let date = openssl(file, &["-enddate"]);
    let date = date.strip_prefix("notAfter=").unwrap();
    let seconds = Command::new("date").args(["-u", "-d", date, "+%s"]).output().unwrap();
    String::from_utf8(seconds.stdout).unwrap().trim().to_owned()
}

pub fn end_series(file: &Path) -> String {
    format!("waybill_certificate_not_after_timestamp_seconds{{file=\"{}\"}}", file.display())
}

/// `promtool check metrics` finds fault with units, names, types and missing help.
fn is_clean(daemon: &Daemon) {
    let mut check = Command::new("promtool");
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = check.spawn().unwrap();
    check.stdin.take().unwrap().write_all(daemon.get("/metrics").body.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn both_metrics_pages_have_the_end_of_each_certificate_and_whether_the_link_stands() {
    for dials in Dials::BOTH {
        let plant = Plant::new();
        dials.configure(&plant, dials.target(&plant), None);
        let (mut vma, oma) = plant.start();
        let of_vma = "waybill_link_up{peer=\"site-a\"}";
        until("the link stands", SOON, || (sample(&oma, of_vma).as_deref() == Some("1")).then_some(()));
        assert_eq!(sample(&vma, "waybill_link_up{peer=\"oma\"}").as_deref(), Some("1"));
        for (daemon, role) in [(&vma, "vma"), (&oma, "oma")] {
            let file = plant.files_of(role).0;
            assert_eq!(sample(daemon, &end_series(file)), Some(end_of(file)), "{dials:?} {role}");
            let version = env!("CARGO_PKG_VERSION");
            let build = format!("waybill_build_info{{appliance=\"{role}\",version=\"{version}\"}}");
            assert_eq!(sample(daemon, &build).as_deref(), Some("1"));
            is_clean(daemon);
        }
        vma.kill();
        until("the link is down", SOON, || (sample(&oma, of_vma).as_deref() == Some("0")).then_some(()));
    }
}

/// A time as `openssl ca` takes it.
pub fn time(when: &str) -> String {
    let date = Command::new("date").args(["-u", "-d", when, "+%Y%m%d%H%M%SZ"]).output().unwrap();
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

/// Thirty days ahead, of a certificate that does not renew itself: in the log and in the table of each side.
#[test]
fn a_certificate_that_ends_within_thirty_days_is_announced_on_both_sides_whoever_dials() {
    let until_then = time("+20 days 1 hour");
    for dials in Dials::BOTH {
        let mut plant = Plant::new();
        // With a DNS name only, as a company's own authority issues them.
        plant.reissue("DNS:localhost,DNS:site-a", (NOW.0, &until_then));
        dials.configure(&plant, dials.target(&plant), None);
        let (vma, oma) = plant.start();
        for (daemon, role) in [(&vma, "vma"), (&oma, "oma")] {
            let file = plant.files_of(role).0.display();
            let message = format!("the certificate of this {}, {file}, expires in 20 days", role.to_uppercase());
            until("it is announced", SOON, || daemon.log().contains(&message).then_some(()));
            let entries = plant
                .site
                .rows_of(&format!("{role}.db"), "SELECT message FROM pki_events WHERE event = 'certificate_expires'");
            assert_eq!(entries, [message]);
        }
    }
}

/// The serial number of the certificate that a listener shows.
fn shown_at(place: &str) -> String {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", place]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = client.spawn().unwrap();
    let reader = client.stdout.take().unwrap();
    let read = Command::new("openssl").args(["x509", "-noout", "-serial"]).stdin(reader).output().unwrap();
    client.wait().unwrap();
    String::from_utf8(read.stdout).unwrap().trim().to_owned()
}

/// Tools that renew certificates of a company's authority put files into place and know nothing of waybill.
#[test]
fn a_certificate_that_is_put_in_place_of_another_is_shown_without_a_signal_and_jobs_do_not_notice() {
    for dials in Dials::BOTH {
        let plant = Plant::new();
        dials.configure(&plant, dials.target(&plant), None);
        let daemons = plant.start();
        let (vma, oma) = &daemons;
        oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
        let push =
            r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":1,"total_bytes":9,"throughput_bps":1}"#;
        vma.post("/api/v1/progress/job-1/update", push, 200);
        plant.site.until_status("job-1", "streaming");

        // The certificate first: what comes without its key is not shown.
        let (names, listens) = match dials {
            Dials::Vma => ("URI:urn:waybill:oma", "oma"),
            Dials::Oma => ("URI:urn:waybill:vma:site-a", "vma"),
        };
        let (new, place) = (plant.authority.issue(names, NOW), dials.target(&plant).to_string());
        let (certificate, key) = plant.files_of(listens);
        let daemon = if listens == "oma" { oma } else { vma };
        let before = openssl(certificate, &["-serial"]);
        fs::copy(&new.certificate, certificate).unwrap();
        let told = "what lies there now cannot be used, and what was there before is shown: ";
        until("the key is missed", SOON * 2, || daemon.log().contains(told).then_some(()));
        assert_eq!(shown_at(&place), before);
        fs::copy(&new.key, key).unwrap();
        let after = openssl(certificate, &["-serial"]);
        assert_ne!(after, before);
        until("it is shown", SOON * 2, || (shown_at(&place) == after).then_some(()));
        assert!(daemon.log().contains("what lies there now is shown from now on, until 20"), "{}", daemon.log());
        assert_eq!(plant.site.events("job-1", "contact_lost"), Vec::<String>::new());
        plant.site.until_rows("SELECT contact FROM replication_jobs", &["fresh"]);
    }
}

/// Whoever is in stays no longer than whoever comes now.
#[test]
fn a_link_ends_with_the_certificate_of_either_side_whoever_dials() {
    let mut links = Vec::new();
    for dials in Dials::BOTH {
        for (role, names) in [("vma", "URI:urn:waybill:vma:site-a"), ("oma", "URI:urn:waybill:oma")] {
            let plant = Plant::new();
            let short = plant.authority.issue(names, (NOW.0, &time("+6 seconds")));
            let (certificate, key) = plant.files_of(role);
            fs::copy(&short.certificate, certificate).unwrap();
            fs::copy(&short.key, key).unwrap();
            dials.configure(&plant, dials.target(&plant), None);
            let daemons = plant.start();
            links.push((dials, role, plant, daemons));
        }
    }
    for (dials, role, _plant, (vma, oma)) in &links {
        let other = if *role == "vma" { oma } else { vma };
        let stood = if *role == "vma" { "vma=site-a the link stands" } else { "the link to the OMA stands" };
        let ended = |line: &str| line.contains("the link") && line.ends_with(" has ended: its certificate has expired");
        until(&format!("{dials:?}: the {role}'s time is over"), SOON * 2, || {
            let log = other.log();
            (log.contains(stood) && log.lines().any(ended)).then_some(())
        });
    }
}

/// Only who comes now is measured by the clock as it is now: one that is set under way fails nobody (R-23).
#[test]
fn a_wall_clock_that_is_set_beyond_every_certificate_cuts_no_link_that_stands() {
    const YEARS: i64 = 365 * 86_400;
    let plant = Plant::new();
    plant.tunnel(&plant.places.oma_tls.to_string(), None);
    let mut clock = FakeClock::right(&plant.site.path(""));
    let (vma, oma) = (clock.start(&plant.site, "vma"), clock.start(&plant.site, "oma"));
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    for (bytes, by) in [(10, 0), (20, 100 * YEARS), (30, -100 * YEARS), (40, -50 * YEARS)] {
        clock.set(by);
        let push = format!(
            r#"{{"stage":"Transfer","status":"in_progress","bytes_transferred":{bytes},"total_bytes":99,"throughput_bps":1}}"#
        );
        vma.post("/api/v1/progress/job-1/update", &push, 200);
        plant.site.until_rows("SELECT bytes_transferred FROM replication_jobs", &[&bytes.to_string()]);
        plant.site.until_rows("SELECT contact FROM replication_jobs", &["fresh"]);
        if clock.ahead > 0 {
            for (daemon, whose) in [(&vma, "of this VMA"), (&oma, "of this OMA")] {
                let noticed = |line: &str| line.contains(whose) && line.ends_with("has expired");
                until("it is warned about", SOON * 2, || daemon.log().lines().any(noticed).then_some(()));
            }
        }
    }
    assert_eq!(oma.log().matches("the link stands").count(), 1, "{}", oma.log());
}

#[test]
fn a_certificate_that_comes_while_the_authoritys_file_is_damaged_is_shown_when_that_is_whole_again() {
    let plant = Plant::new();
    plant.tunnel(&plant.places.oma_tls.to_string(), None);
    let (_vma, oma) = plant.start();
    let place = plant.places.oma_tls.to_string();
    let (certificate, key) = plant.files_of("oma");
    until("the link stands", SOON, || oma.log().contains("the link stands").then_some(()));
    let before = openssl(certificate, &["-serial"]);
    fs::write(plant.authority_file(), "").unwrap();
    let new = plant.authority.issue("URI:urn:waybill:oma", NOW);
    fs::copy(&new.certificate, certificate).unwrap();
    fs::copy(&new.key, key).unwrap();
    until("it is told", SOON * 2, || {
        let told = |line: &str| {
            line.contains("what lies there now cannot be used, ") && line.contains("ca.pem: it holds no certificate")
        };
        oma.log().lines().any(told).then_some(())
    });
    assert_eq!(shown_at(&place), before);
    assert_eq!(oma.log().matches("the link of the VMA").count(), 0, "nobody was cut off for it: {}", oma.log());
    fs::write(plant.authority_file(), plant.authority.pem()).unwrap();
    let after = openssl(certificate, &["-serial"]);
    until("it is shown", SOON * 2, || (shown_at(&place) == after).then_some(()));
}

/// Puts a pair in the place of one, which is kept as a renewal keeps it.
fn replace(plant: &Plant, role: &str, new: &Identity) {
    let (certificate, key) = plant.files_of(role);
    let old = |file: &Path| PathBuf::from(format!("{}.waybill-old", file.display()));
    fs::copy(key, old(key)).unwrap();
    let replaced_by = openssl(&new.certificate, &["-fingerprint", "-sha256"]).to_ascii_lowercase();
    let (_, replaced_by) = replaced_by.split_once('=').unwrap();
    let kept = format!("replaced by {}\n{}", replaced_by.replace(':', ""), fs::read_to_string(certificate).unwrap());
    fs::write(old(certificate), kept).unwrap();
    fs::copy(&new.key, key).unwrap();
    fs::copy(&new.certificate, certificate).unwrap();
}

/// A machine that begins with a clock that is weeks behind takes the certificate of then for the valid one.
#[test]
fn a_vma_whose_clock_is_behind_shows_its_other_certificate_where_the_first_is_refused() {
    let mut plant = Plant::new();
    plant.reissue("URI:urn:waybill:vma:site-a", (&time("-100 days"), &time("-10 days")));
    let (certificate, key) = plant.files_of("oma");
    let of_oma = plant.authority.issue("URI:urn:waybill:oma", NOW);
    fs::copy(&of_oma.certificate, certificate).unwrap();
    fs::copy(&of_oma.key, key).unwrap();
    replace(
        &plant,
        "vma",
        &plant.authority.issue("URI:urn:waybill:vma:site-a", (&time("-11 days"), &time("+79 days"))),
    );
    plant.tunnel(&plant.places.oma_tls.to_string(), None);
    let mut clock = FakeClock::right(&plant.site.path(""));
    clock.set(-40 * 86_400);
    let oma = plant.site.oma();
    let vma = clock.start(&plant.site, "vma");
    until("the link stands", SOON * 2, || oma.log().contains("the link stands").then_some(()));
    assert!(
        vma.log().contains("by this machine's clock it is not valid, and the one that it replaced is"),
        "{}",
        vma.log()
    );
    assert!(oma.log().contains("has expired"), "the first was shown: {}", oma.log());
}

/// A certificate that was made while the clocks were ahead is good for nothing until then, and its owner cannot ask for
/// another one with it.
#[test]
fn in_place_of_a_certificate_that_is_not_valid_yet_the_one_that_it_replaced_is_shown() {
    for dials in Dials::BOTH {
        let plant = Plant::new();
        dials.configure(&plant, dials.target(&plant), None);
        let (mut vma, mut oma) = plant.start();
        oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
        let push =
            r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":1,"total_bytes":9,"throughput_bps":1}"#;
        vma.post("/api/v1/progress/job-1/update", push, 200);
        plant.site.until_status("job-1", "streaming");

        let ahead = [time("+70 days"), time("+160 days")];
        let names = [("vma", "URI:urn:waybill:vma:site-a"), ("oma", "URI:urn:waybill:oma")];
        let ends = names.map(|(role, names)| {
            let end = end_of(plant.files_of(role).0);
            replace(&plant, role, &plant.authority.issue(names, (&ahead[0], &ahead[1])));
            end
        });
        for (daemon, (role, _)) in [&vma, &oma].into_iter().zip(names) {
            let told =
                format!("{}: by this machine's clock it is not valid, and the one", plant.files_of(role).0.display());
            until("it is told", SOON * 2, || daemon.log().contains(&told).then_some(()));
        }
        assert_eq!(plant.site.events("job-1", "contact_lost"), Vec::<String>::new());
        vma.kill();
        oma.kill();
        let (vma, oma) = plant.start();
        plant.site.until_rows("SELECT contact FROM replication_jobs", &["fresh"]);
        for ((daemon, (role, _)), end) in [&vma, &oma].into_iter().zip(names).zip(ends) {
            let series = end_series(plant.files_of(role).0);
            until("its end is that", SOON, || (sample(daemon, &series).as_ref() == Some(&end)).then_some(()));
        }
    }
}

/// The file of authorities alone, as where another one is to be believed too; and one that comes after the reload that
/// names it.
#[test]
fn a_changed_file_of_authorities_is_believed_without_a_signal() {
    let plant = Plant::new();
    plant.tunnel(&plant.places.oma_tls.to_string(), None);
    let (_vma, oma) = plant.start();
    until("the link stands", SOON, || oma.log().contains("the link stands").then_some(()));
    let other = Authority::new();
    let operator = other.issue("URI:urn:waybill:operator:ops", NOW);
    let comes_in = || {
        let mut client = Command::new("curl");
        client.args(["--silent", "--fail", "--insecure", "--cert"]).arg(&operator.certificate);
        client.arg("--key").arg(&operator.key).arg(format!("https://{}/health", plant.places.oma_tls));
        client.output().unwrap().status.success()
    };
    assert!(!comes_in());
    let both = [plant.authority.pem(), other.pem()].concat();
    fs::write(plant.authority_file(), &both).unwrap();
    until("it is believed", SOON * 2, || comes_in().then_some(()));

    let (config, late) = (plant.site.path("oma.toml"), plant.site.path("late.pem"));
    let text = fs::read_to_string(&config).unwrap();
    fs::write(plant.authority_file(), plant.authority.pem()).unwrap();
    until("it is not believed any more", SOON * 2, || (!comes_in()).then_some(()));
    let named = text.replace(&plant.authority_file().display().to_string(), &late.display().to_string());
    assert_ne!(named, text);
    fs::write(&config, named).unwrap();
    oma.signal(Signal::HUP);
    until("it is missed", SOON, || {
        oma.log().contains("what lies there now cannot be used, and what was there before is shown: ").then_some(())
    });
    fs::write(&late, &both).unwrap();
    until("it is believed when it comes", SOON * 2, || comes_in().then_some(()));
    assert_eq!(
        oma.log().matches("what lies there now cannot be used, and what was there before is shown: ").count(),
        1,
        "{}",
        oma.log()
    );
}
