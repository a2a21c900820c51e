//! Who knocks at port 443 and has no business there (R-61, R-62, F47). Goal: each gets an alert, or a problem that names the
//! reason, and nothing else; the log says who and why; and a job that is tracked meanwhile does not notice. Method:
//! certificates of every kind by `openssl`, and sockets that misbehave.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use async_io::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use waybill::net::tls::{Expected, Own, Trust};

use crate::certificates::{Authority, EC, Identity, NOW};
use crate::harness::{Daemon, SOON, until};
use crate::plant::{At, Calls, Plant};

const PUSH: &str =
    r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":BYTES,"total_bytes":100000,"throughput_bps":1}"#;

/// A plant whose VMA tracks a job over its tunnel, while others knock.
struct Besieged {
    plant: Plant,
    vma: Daemon,
    oma: Daemon,
    bytes: u64,
}

impl Besieged {
    fn new() -> Self {
        let plant = Plant::new();
        plant.tunnel(&plant.places.oma_tls.to_string(), None);
        let (vma, oma) = plant.start();
        oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
        let mut besieged = Self { plant, vma, oma, bytes: 0 };
        besieged.goes_on();
        besieged
    }
    /// A push goes all the way into the OMA's row.
    fn goes_on(&mut self) {
        self.bytes += 1000;
        self.vma.post("/api/v1/progress/job-1/update", &PUSH.replace("BYTES", &self.bytes.to_string()), 200);
        self.plant.site.until_rows(
            "SELECT bytes_transferred FROM replication_jobs WHERE id = 'job-1'",
            &[&self.bytes.to_string()],
        );
    }
    /// Nobody who was tracked has noticed.
    fn was_not_noticed(&mut self) {
        self.goes_on();
        assert_eq!(self.plant.site.events("job-1", "contact_lost"), Vec::<String>::new());
        assert_eq!(self.oma.log().matches("the link stands").count(), 1, "{}", self.oma.log());
    }
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.plant.places.oma_tls).unwrap();
        stream.set_read_timeout(Some(SOON * 2)).unwrap();
        stream
    }
    /// What `openssl s_client` says with this identity and protocol, after it has sent a request.
    fn knock(&self, identity: Option<&Identity>, protocol: &str, request: &str) -> String {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &self.plant.places.oma_tls.to_string(), "-alpn", protocol, "-ign_eof"]);
        if let Some(identity) = identity {
            command.arg("-cert").arg(&identity.certificate).arg("-key").arg(&identity.key);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
        let said = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned()
    }
    fn log_says(&self, why: &str) {
        until(why, SOON, || self.oma.log().contains(&format!(" was not let in: {why}")).then_some(()));
    }
    fn issued(&self, names: &str, times: (&str, &str)) -> Identity {
        let identity = self.plant.authority.issue(names, times);
        fs::set_permissions(&identity.key, fs::Permissions::from_mode(0o600)).unwrap();
        identity
    }
}

const SITE_A: &str = "URI:urn:waybill:vma:site-a";
const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: oma\r\nConnection: close\r\n\r\n";

#[test]
fn f47_each_certificate_that_is_not_good_gets_its_alert_and_not_a_byte() {
    let mut besieged = Besieged::new();
    let past = ("20200101000000Z", "20200102000000Z");
    let future = ("20980101000000Z", "20991231000000Z");
    let cases: [(&str, Option<Identity>, &str, &str); 8] = [
        ("absent", None, "alert certificate required", "it has no certificate"),
        (
            "self-signed",
            Some(Identity::self_signed(&format!("{EC} -addext subjectAltName={SITE_A}"))),
            "alert certificate unknown",
            "its certificate was issued by itself",
        ),
        (
            "another authority's",
            Some(Authority::new().issue(SITE_A, NOW)),
            "alert",
            "its certificate was not issued by the trusted authority",
        ),
        (
            "expired",
            Some(besieged.issued(SITE_A, past)),
            "alert certificate expired",
            "its certificate has expired at 2020-01-02T00:00:00.000Z",
        ),
        (
            "not valid yet",
            Some(besieged.issued(SITE_A, future)),
            "alert certificate expired",
            "its certificate is not valid yet",
        ),
        (
            "a VMA that is not configured",
            Some(besieged.issued("URI:urn:waybill:vma:site-b", NOW)),
            "alert access denied",
            "its certificate is genuine, but nobody whom this appliance serves has it",
        ),
        (
            "the OMA's own",
            Some(besieged.issued("URI:urn:waybill:oma", NOW)),
            "alert access denied",
            "its certificate is genuine, but nobody whom this appliance serves has it",
        ),
        (
            "two names at once",
            Some(besieged.issued("URI:urn:waybill:vma:site-a,URI:urn:waybill:operator:x", NOW)),
            "alert access denied",
            "its certificate is genuine, but nobody whom this appliance serves has it",
        ),
    ];
    for (which, identity, alert, logged) in &cases {
        for protocol in ["waybill-link/1", "http/1.1"] {
            let said = besieged.knock(identity.as_ref(), protocol, HEALTH);
            assert!(said.contains(alert), "{which}: {said}");
            assert!(!said.contains("HTTP/1.1 "), "{which}: {said}");
        }
        besieged.log_says(logged);
    }
    besieged.was_not_noticed();
}

/// Whoever goes on to speak before reading that they are refused must still be able to read it: a connection that is closed
/// with their bytes unread is reset, and then they hear of the reset only.
#[test]
fn an_alert_waits_for_its_reader() {
    let besieged = Besieged::new();
    let stranger = besieged.issued("URI:urn:waybill:vma:site-b", NOW);
    let read = |file: &Path| fs::read(file).unwrap();
    let own = Own::read(&read(&stranger.certificate), &read(&stranger.key)).unwrap();
    let authority = besieged.plant.authority.pem();
    let trust = Trust::of_link(&authority, &own, Expected::Oma, BTreeSet::new()).unwrap();
    let error = smol::block_on(async {
        let stream = Async::new(besieged.connect()).unwrap();
        let mut stream = trust.connect("oma", stream).await.unwrap();
        besieged.log_says("its certificate is genuine");
        for _ in 0..10 {
            stream.write_all(HEALTH.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        stream.read(&mut [0]).await.unwrap_err()
    });
    assert!(error.to_string().contains("AccessDenied"), "{error}");
}

#[test]
fn f47_a_vma_speaks_for_its_own_jobs_and_for_nothing_else() {
    let mut besieged = Besieged::new();
    let more = "[[vma]]\nname = \"site-b\"\ntunnel = true\n";
    let config = besieged.plant.site.path("oma.toml");
    fs::write(&config, fs::read_to_string(&config).unwrap() + more).unwrap();
    besieged.oma.signal(rustix::process::Signal::HUP);
    until("reloaded", SOON, || besieged.oma.log().contains("configuration reloaded").then_some(()));
    besieged.oma.post("/api/v1/jobs", r#"{"id":"job-b","vma":"site-b"}"#, 201);
    let site_b = besieged.issued("URI:urn:waybill:vma:site-b", NOW);
    let ask = |method: &str, target: &str, body: &str| {
        let length = body.len();
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: oma\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        let said = besieged.knock(Some(&site_b), "http/1.1", &(head + body));
        let status = said.split("HTTP/1.1 ").nth(1).and_then(|rest| rest.get(..3)).unwrap_or("none").to_owned();
        (status, said)
    };
    let change_id = r#"{"change_id":"52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81","disk_id":"disk-0"}"#;
    let (status, said) = ask("POST", "/api/v1/replications/job-1/changeid", change_id);
    assert_eq!(status, "403", "{said}");
    assert!(said.contains("urn:waybill:problem:not-yours") && said.contains("which is of the VMA"), "{said}");
    for (method, target, body) in [
        ("GET", "/api/v1/jobs", ""),
        ("GET", "/metrics", ""),
        ("GET", "/api/v1/jobs/job-1", ""),
        ("HEAD", "/api/v1/jobs/job%2D1", ""),
        ("POST", "/api/v1/jobs", r#"{"id":"job-9","vma":"site-a"}"#),
        ("POST", "/api/v1/jobs/job-1/cancel", r#"{"reason":"mine"}"#),
        ("POST", "/api/v1/jobs/job-1/finish", r#"{"status":"Succeeded"}"#),
        ("POST", "/api/v1/pki/enrol", r#"{"token":"a","secret":"b","request":"c"}"#),
    ] {
        let (status, said) = ask(method, target, body);
        assert_eq!(status, "403", "{method} {target}: {said}");
    }
    assert_eq!(ask("POST", "/api/v1/replications/job-b/changeid", change_id).0, "200", "its own");
    assert_eq!(ask("GET", "/health", "").0, "200");
    // What comes before its job is tracked is kept, and given to no job of another VMA.
    assert_eq!(ask("POST", "/api/v1/replications/job-2/changeid", change_id).0, "200");
    let site = &besieged.plant.site;
    let received = site.rows("SELECT job_id, vma FROM received_change_ids ORDER BY id");
    assert_eq!(received, ["job-b|site-b", "job-2|site-b"]);
    besieged.oma.post("/api/v1/jobs", r#"{"id":"job-2","vma":"site-a"}"#, 201);
    besieged.vma.post("/api/v1/progress/job-2/update", &PUSH.replace("BYTES", "1"), 200);
    site.until_status("job-2", "streaming");
    let given = "SELECT count(*) FROM vm_disks WHERE disk_change_id IS NOT NULL AND job_id <> 'job-b'";
    assert_eq!(site.rows(given), ["0"]);
    assert_eq!(besieged.plant.call(At::Oma, "GET", "/api/v1/jobs/job-1", "").status, 200, "and loopback is served");
    besieged.was_not_noticed();
}

#[test]
fn what_is_no_tls_is_told_so_and_a_handshake_that_never_ends_is_ended() {
    let mut besieged = Besieged::new();
    let mut plain = besieged.connect();
    plain.write_all(HEALTH.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(answer.len() <= 7 && !answer.starts_with(b"HTTP"), "an alert at most: {answer:?}");
    besieged.log_says("it does not speak TLS");

    let mut half = besieged.connect();
    // The record's head and the first bytes of a ClientHello of 508.
    half.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).unwrap();
    let started = std::time::Instant::now();
    let _ = half.read_to_end(&mut answer);
    assert!((9..15).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    besieged.log_says("it has not said who it is within 10 s");
    besieged.was_not_noticed();
}

/// Of so many, each with half a ClientHello, none gets in, and none keeps the right one out.
#[test]
fn ten_thousand_who_never_say_who_they_are_keep_nobody_out() {
    const CROWD: usize = 10_000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let enough = rustix::process::Rlimit { current: Some(CROWD as u64 + 1000), ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, enough).expect("so many files may be open");
    let mut besieged = Besieged::new();
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let Ok(mut stream) = TcpStream::connect_timeout(&besieged.plant.places.oma_tls, Duration::from_secs(5)) else {
            continue;
        };
        // It may be out already.
        let _ = stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);
        crowd.push(stream);
        if number % 1000 == 0 {
            besieged.goes_on();
        }
    }
    assert!(crowd.len() > CROWD * 9 / 10, "{} came as far as the door", crowd.len());
    besieged.was_not_noticed();
    let open = fs::read_dir(format!("/proc/{}/fd", besieged.oma.pid())).unwrap().count();
    assert!(open < 600, "{open} descriptors");
    // The VMA comes back while they stand there.
    let address = besieged.vma.address();
    besieged.vma.kill();
    besieged.vma = besieged.plant.site.vma();
    assert_eq!(besieged.vma.address(), address);
    besieged.goes_on();
    let told = besieged.oma.log().matches(" was not let in: ").count();
    assert!(told <= 45, "{told} lines of the log about {CROWD} strangers");
    drop(crowd);
    besieged.goes_on();
}

#[test]
fn a_key_that_everybody_may_read_is_refused_by_name() {
    let plant = Plant::new();
    plant.tunnel(&plant.places.oma_tls.to_string(), None);
    let key: &Path = plant.files_of("oma").1;
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    let mut oma = plant.site.command("oma");
    let said = oma.stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(3), "{text}");
    assert!(text.contains("may be read by everybody (mode 644): `chmod 600` it"), "{text}");
}
