//! Enrolment (R-63, F47). Goal: who was invited gets in, once; whoever was not, or no longer is, gets nothing; and the books
//! say so. Method: `waybill pki` and `waybill enroll` as an operator runs them, beside daemons that run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use data_encoding::BASE64;
use rustix::process::Signal;

use crate::certificates::Authority;
use crate::fake_clock::FakeClock;
use crate::harness::{Daemon, FAST, SOON, Site, until, waybill};
use crate::plant::Dials;
use crate::shown::{end_of, end_series, sample, time};

/// An OMA with an authority, and a VMA.
struct Office {
    site: Site,
}

impl Office {
    /// The VMA dials; certificates are valid for so long.
    fn new(valid_for: &str) -> Self {
        Self::of(Dials::Vma, valid_for)
    }
    fn of(dials: Dials, valid_for: &str) -> Self {
        let site = Site::fast();
        let host = site.address("oma").ip();
        let files = |role: &str, ca: &str, ca_file: &str| {
            let path = |name: &str| site.path(&format!("tls/{name}")).display().to_string();
            format!(
                "certificate = \"{}\"\nkey = \"{}\"\n{ca} = \"{}\"\n",
                path(&format!("{role}.pem")),
                path(&format!("{role}.key")),
                path(ca_file)
            )
        };
        let oma = format!(
            "database = \"{}\"\nlisten = \"{}\"\n{FAST}[pki]\ndirectory = \"{}\"\nvalid_for = \"{valid_for}\"\n",
            site.path("oma.db").display(),
            site.address("oma"),
            site.path("pki").display(),
        );
        let (of_oma, of_vma) = match dials {
            Dials::Vma => (
                format!(
                    "[tls]\nlisten = \"{host}:9443\"\n{}[[vma]]\nname = \"site-a\"\ntunnel = true\n",
                    files("oma", "client_ca", "ca.pem")
                ),
                format!("[tunnel]\noma = \"{host}:9443\"\n{}", files("vma", "ca_file", "vma-ca.pem")),
            ),
            // Nobody can come in at this OMA.
            Dials::Oma => (
                format!(
                    "[[vma]]\nname = \"site-a\"\nurl = \"https://{host}:8443\"\n{}",
                    files("oma", "ca_file", "ca.pem")
                ),
                format!("[tls]\nlisten = \"{host}:8443\"\n{}", files("vma", "client_ca", "vma-ca.pem")),
            ),
        };
        fs::write(site.path("oma.toml"), oma + &of_oma).unwrap();
        site.configure_vma(&of_vma);
        let office = Self { site };
        office.succeeds(&["pki", "init"]);
        office
    }

    /// Runs a command with the configuration that it takes, and this on its stdin.
    fn run(&self, args: &[&str], stdin: &str) -> Output {
        let config = self.site.path(if args[0] == "enroll" { "vma.toml" } else { "oma.toml" });
        let mut command = waybill(args);
        command.arg("--config").arg(config);
        let input = self.site.path("stdin");
        fs::write(&input, stdin).unwrap();
        command.stdin(Stdio::from(fs::File::open(input).unwrap())).output().unwrap()
    }
    fn succeeds(&self, args: &[&str]) -> String {
        let output = self.run(args, "");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
    /// A token, and the OMA has seen that there is one.
    fn token(&self, more: &[&str]) -> String {
        self.succeeds(&[&["pki", "token"], more].concat()).trim().to_owned()
    }
    /// Exit code and what is said.
    fn enroll(&self, token: &str) -> (Option<i32>, String) {
        let output = self.run(&["enroll"], token);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
    /// Enrols as soon as the OMA has seen the token.
    fn enrolled(&self, token: &str) {
        until("enrolled", SOON, || (self.enroll(token).0 == Some(0)).then_some(()));
    }
    /// Enrols without a token, by two files that somebody carries.
    fn enrolled_by_hand(&self) {
        let request = self.site.path("site-a.csr").display().to_string();
        self.succeeds(&["enroll", "--request", &request]);
        let signed = self.succeeds(&["pki", "issue", "--vma", "site-a", "--request", &request]);
        let certificate = self.site.path("site-a.pem").display().to_string();
        fs::write(&certificate, signed).unwrap();
        self.succeeds(&["enroll", "--certificate", &certificate]);
    }
    fn entries(&self, event: &str) -> Vec<String> {
        self.site.rows(&format!("SELECT message FROM pki_events WHERE event = '{event}' ORDER BY id"))
    }
    fn track(&self, vma: &Daemon, oma: &Daemon, job: &str) {
        oma.post("/api/v1/jobs", &format!(r#"{{"id":"{job}","vma":"site-a"}}"#), 201);
        let push = r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":10,"total_bytes":1000,"throughput_bps":1}"#;
        vma.post(&format!("/api/v1/progress/{job}/update"), push, 200);
        self.site.until_rows(&format!("SELECT status FROM replication_jobs WHERE id = '{job}'"), &["streaming"]);
    }
}

fn logged(daemon: &Daemon, what: &str) {
    until(what, SOON, || daemon.log().contains(what).then_some(()));
}

#[test]
fn f47_a_token_is_good_once_and_only_whole_and_in_its_time_and_every_step_is_in_the_books() {
    let office = Office::new("90d");
    let oma = office.site.oma();

    let (code, said) = office.enroll("hello");
    assert!(code == Some(1) && said.contains("this is no token: one begins with \"waybill-\""), "{said}");
    let token = office.token(&["--vma", "site-a"]);
    let mut tampered = token.clone().into_bytes();
    tampered[20] = if tampered[20] == b'A' { b'B' } else { b'A' };
    let (code, said) = office.enroll(&String::from_utf8(tampered).unwrap());
    assert!(code == Some(1) && said.contains("the token was damaged on its way"), "{said}");

    office.enrolled(&token);
    let keys = ["tls/oma.key", "tls/vma.key", "pki/ca.key"];
    for key in keys {
        assert_eq!(fs::metadata(office.site.path(key)).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    let own = office.site.rows("SELECT owner, revoked_at IS NULL FROM certificates ORDER BY rowid");
    assert_eq!(own, ["urn:waybill:oma|1", "urn:waybill:vma:site-a|1"]);

    // Another token is open, so that the door for applicants is as well.
    let other = office.token(&["--vma", "site-a"]);
    until("the second use is refused by name", SOON, || {
        let (code, said) = office.enroll(&token);
        (code == Some(6) && said.contains("the token was used already")).then_some(())
    });
    let short = office.token(&["--vma", "site-a", "--expires", "1s"]);
    let open = "SELECT count(*) FROM enrolment_tokens WHERE used_at IS NULL AND expires_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
    office.site.until_rows(open, &["1"]);
    let (code, said) = office.enroll(&short);
    assert!(code == Some(6) && said.contains("the token has expired"), "{said}");
    assert_eq!(office.entries("enrolled").len(), 1);
    office.enrolled(&other);
    assert_eq!(office.entries("token_made").len(), 3);
    assert!(office.entries("enrolment_refused").iter().any(|entry| entry.contains("used already")));

    // No secret is anywhere but in the command's own output.
    let secret = &token[24..56];
    let database = fs::read(office.site.path("oma.db")).unwrap();
    let wal = fs::read(office.site.path("oma.db-wal")).unwrap_or_default();
    for (place, bytes) in [("the database", database), ("its log", wal), ("the log", oma.log().into_bytes())] {
        assert!(!bytes.windows(secret.len()).any(|some| some == secret.as_bytes()), "the token is in {place}");
    }
}

#[test]
fn f47_an_oma_that_did_not_make_the_token_never_sees_it() {
    let (office, stranger) = (Office::new("90d"), Office::new("90d"));
    let _oma = office.site.oma();
    let token = stranger.token(&["--vma", "site-a"]);
    // Open for applicants, so that the handshake comes as far as the certificate.
    office.token(&["--vma", "site-a"]);
    until("the wrong OMA is named", SOON, || {
        let (code, said) = office.enroll(&token);
        assert_ne!(code, Some(0), "{said}");
        said.contains("was not issued by the authority that the token names").then_some(())
    });
    assert!(office.entries("enrolment_refused").is_empty(), "it was not even asked");
    assert!(!office.site.path("tls/vma.key").exists(), "and nothing was put down");
}

#[test]
fn without_an_open_token_nobody_enrols_and_a_token_for_another_vma_is_refused_here() {
    let office = Office::new("90d");
    let oma = office.site.oma();
    let token = office.token(&["--vma", "site-b"]);
    until("it is for another", SOON, || {
        let (code, said) = office.enroll(&token);
        (code == Some(1) && said.contains("it is for the VMA \"site-b\", and this is the VMA \"site-a\"")).then_some(())
    });
    let (code, said) = office.enroll(&token);
    assert!(code == Some(5) && said.contains("or enrols nobody now"), "{said}");
    logged(&oma, "was not let in: ");
}

#[test]
fn f47_who_is_revoked_is_cut_off_while_other_links_and_jobs_go_on() {
    let office = Office::new("90d");
    let oma = office.site.oma();
    office.enrolled(&office.token(&["--vma", "site-a"]));
    let vma = office.site.vma();
    office.track(&vma, &oma, "job-1");
    let said = office.succeeds(&["pki", "revoke", "--vma", "site-a", "--reason", "stolen"]);
    assert!(said.contains("urn:waybill:vma:site-a: 1 revoked"), "{said}");
    logged(&oma, "vma=site-a the link of the VMA \"site-a\" has ended: its certificate is revoked");
    logged(&oma, "was not let in: its certificate is revoked");
    logged(&vma, "the other side refuses our certificate: it is revoked. Enrol again");
    office.site.until_rows("SELECT contact FROM replication_jobs WHERE id = 'job-1'", &["tunnel_down"]);
    assert!(office.entries("revoked")[0].starts_with("revoked: stolen; SHA-256 "));
    let listed = office.succeeds(&["pki", "list"]);
    assert!(listed.lines().any(|line| line.starts_with("vma site-a ") && line.contains(" revoked ")), "{listed}");

    // Invited again, the same job goes on.
    office.enrolled(&office.token(&["--vma", "site-a"]));
    office.site.until_rows("SELECT contact FROM replication_jobs WHERE id = 'job-1'", &["fresh"]);
}

#[test]
fn a_certificate_that_comes_to_its_end_is_renewed_by_itself_and_jobs_do_not_notice() {
    for dials in Dials::BOTH {
        let office = Office::of(dials, "10s");
        office.enrolled_by_hand();
        let (vma, oma) = (office.site.vma(), office.site.oma());
        office.track(&vma, &oma, "job-1");
        let renewed = "SELECT count(*) > 1 FROM pki_events WHERE event = 'renewed' AND owner = ";
        for owner in ["urn:waybill:vma:site-a", "urn:waybill:oma"] {
            until(owner, SOON * 3, || (office.site.rows(&format!("{renewed}'{owner}'")) == ["1"]).then_some(()));
        }
        assert_eq!(office.site.events("job-1", "contact_lost"), Vec::<String>::new());
        assert_eq!(office.site.rows("SELECT status FROM replication_jobs"), ["streaming"]);
        for daemon in [&vma, &oma] {
            assert!(daemon.log().contains(", was renewed, until 20"), "{}", daemon.log());
            assert!(daemon.log().contains("what lies there now is shown from now on, until 20"), "{}", daemon.log());
        }
    }
}

/// A clock that is ahead for a while, as after a host's failure, ends every certificate by what it says; one that was made
/// by it would be good for nothing when it is right again.
#[test]
fn while_a_clock_is_ahead_nobody_makes_certificates_by_it_and_jobs_do_not_notice() {
    let office = Office::new("90d");
    office.enrolled_by_hand();
    let mut clock = FakeClock::right(&office.site.path(""));
    let (vma, oma) = (clock.start(&office.site, "vma"), clock.start(&office.site, "oma"));
    office.track(&vma, &oma, "job-1");
    clock.set(80 * 86_400);
    for (daemon, whose) in [(&vma, "of this VMA"), (&oma, "of this OMA")] {
        let looked = |line: &str| line.contains(whose) && line.contains("expires in ");
        until("it has looked", SOON * 2, || daemon.log().lines().any(looked).then_some(()));
    }
    clock.set(-80 * 86_400);
    office.site.until_rows("SELECT contact FROM replication_jobs", &["fresh"]);
    assert_eq!(office.entries("renewed"), Vec::<String>::new());
    assert_eq!(oma.log().matches("the link stands").count(), 1, "{}", oma.log());
    assert_eq!(office.site.events("job-1", "contact_lost"), Vec::<String>::new());
}

/// What was issued is known by its signature; of the books only what was revoked is missed.
#[test]
fn an_oma_whose_database_was_lost_renews_its_own_certificate_and_those_of_its_vmas() {
    let office = Office::new("10s");
    office.enrolled_by_hand();
    // Somebody else's certificates would be good too, and are not ours to renew.
    let both = [fs::read(office.site.path("tls/ca.pem")).unwrap(), Authority::new().pem()].concat();
    fs::write(office.site.path("tls/ca.pem"), both).unwrap();
    for end in ["", "-wal", "-shm"] {
        let file = office.site.path(&format!("oma.db{end}"));
        if file.exists() {
            fs::remove_file(file).unwrap();
        }
    }
    let (_vma, _oma) = (office.site.vma(), office.site.oma());
    let renewed = "SELECT DISTINCT owner FROM pki_events WHERE event = 'renewed' ORDER BY owner";
    until("both are renewed", SOON * 2, || {
        (office.site.rows(renewed) == ["urn:waybill:oma", "urn:waybill:vma:site-a"]).then_some(())
    });
}

/// Nothing is made that could not be shown.
#[test]
fn without_the_file_of_authorities_no_certificate_is_made_until_it_is_there_again() {
    let office = Office::new("10s");
    let oma = office.site.oma();
    let (file, away) = (office.site.path("tls/ca.pem"), office.site.path("tls/away.pem"));
    fs::rename(&file, &away).unwrap();
    let missed = "what lies there now cannot be used, and what was there before is shown: ";
    until("it is missed", SOON * 2, || oma.log().contains(missed).then_some(()));
    let before = office.entries("renewed");
    // By then it is due.
    let end = "SELECT max(not_after) < strftime('%Y-%m-%dT%H:%M:%fZ') FROM certificates";
    until("its time is over", SOON * 2, || (office.site.rows(end) == ["1"]).then_some(()));
    assert_eq!(office.entries("renewed"), before);
    fs::rename(&away, &file).unwrap();
    until("it is renewed", SOON * 2, || (office.entries("renewed").len() > before.len()).then_some(()));
    assert_eq!(oma.log().matches(missed).count(), 1, "{}", oma.log());
}

/// What is refused while it is looked at must not come in by another way.
#[test]
fn a_token_opens_no_door_with_a_certificate_that_was_refused() {
    let office = Office::new("90d");
    office.enrolled_by_hand();
    let (mut vma, oma) = (office.site.vma(), office.site.oma());
    logged(&oma, "the link stands");
    let (certificate, key) = (office.site.path("tls/oma.pem"), office.site.path("tls/oma.key"));
    let (good, good_key) = (fs::read(&certificate).unwrap(), fs::read(&key).unwrap());
    let ended = Authority::new().issue("URI:urn:waybill:oma", (&time("-9 days"), &time("-1 day")));
    fs::copy(&ended.key, &key).unwrap();
    fs::copy(&ended.certificate, &certificate).unwrap();
    let told = "what lies there now cannot be used, and what was there before is shown: ";
    until("it is told", SOON * 2, || oma.log().contains(told).then_some(()));
    // With the certificate that the token's authority has issued, or not at all.
    office.enrolled(&office.token(&["--vma", "site-a"]));
    fs::write(&key, good_key).unwrap();
    fs::write(&certificate, good).unwrap();
    vma.kill();
    let vma = office.site.vma();
    office.track(&vma, &oma, "job-1");
}

/// A disk that is full costs no certificate that nobody ever sees.
#[test]
fn on_a_full_disk_no_certificate_is_made_until_there_is_room() {
    let office = Office::new("10s");
    let (tls, balloon) = (office.site.path("tls"), office.site.path("tls/balloon"));
    let (small, binary) = ("mount -t tmpfs -o size=64k none \"$1\"", env!("CARGO_BIN_EXE_waybill"));
    let script = format!(
        "cp -a \"$1\" \"$1.saved\" && {small} && cp -a \"$1.saved/.\" \"$1\" && {{ cat /dev/zero >\"$1/balloon\"; \
         exec \"$0\" oma --config \"$2\"; }}"
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, binary]).arg(&tls).arg(office.site.path("oma.toml"));
    let mut oma = Daemon::launch(&office.site, "oma", command);
    oma.ready().unwrap();
    let failed = "could not be renewed: cannot write ";
    until("it is tried", SOON * 2, || oma.log().contains(failed).then_some(()));
    let end = "SELECT max(not_after) < strftime('%Y-%m-%dT%H:%M:%fZ') FROM certificates";
    until("its time is over", SOON * 2, || (office.site.rows(end) == ["1"]).then_some(()));
    assert_eq!(office.entries("renewed"), Vec::<String>::new());
    // As the daemon sees it.
    let inside = format!("/proc/{}/root{}", oma.pid(), balloon.display());
    fs::remove_file(inside).unwrap();
    oma.signal(Signal::HUP);
    until("it is renewed", 7 * SOON, || (!office.entries("renewed").is_empty()).then_some(()));
    assert_eq!(oma.log().matches(failed).count(), 1, "{}", oma.log());
}

/// A company's own certificates may name waybill's roles too, and both authorities may be believed.
#[test]
fn what_another_authority_has_issued_is_left_to_it_by_both_sides() {
    let office = Office::new("90d");
    office.enrolled_by_hand();
    let company = Authority::new();
    // More than two thirds of their time are over.
    let times = (time("-80 seconds"), time("+40 seconds"));
    let put = |names: &str, role: &str| {
        let given = company.issue(names, (&times.0, &times.1));
        let files = ["pem", "key"].map(|end| office.site.path(&format!("tls/{role}.{end}")));
        fs::copy(&given.certificate, &files[0]).unwrap();
        fs::copy(&given.key, &files[1]).unwrap();
        fs::set_permissions(&files[1], fs::Permissions::from_mode(0o600)).unwrap();
        (files[0].clone(), fs::read(&given.certificate).unwrap())
    };
    let shown = [put("URI:urn:waybill:oma", "oma"), put("URI:urn:waybill:vma:site-a", "vma")];
    for file in ["tls/ca.pem", "tls/vma-ca.pem"] {
        let both = [fs::read(office.site.path(file)).unwrap(), company.pem()].concat();
        fs::write(office.site.path(file), both).unwrap();
    }
    let (vma, oma) = (office.site.vma(), office.site.oma());
    office.track(&vma, &oma, "job-1");
    until("the VMA has asked", SOON * 2, || {
        vma.log().contains("another authority issued the certificate: renew it there").then_some(())
    });
    for (file, before) in &shown {
        assert_eq!(&fs::read(file).unwrap(), before, "{} is as it was", file.display());
    }
    assert_eq!(office.entries("renewed"), Vec::<String>::new());
    assert_eq!(office.site.events("job-1", "contact_lost"), Vec::<String>::new());
}

#[test]
fn a_vma_that_cannot_reach_its_oma_is_enrolled_by_hand() {
    let office = Office::new("90d");
    office.enrolled_by_hand();
    let (vma, oma) = (office.site.vma(), office.site.oma());
    office.track(&vma, &oma, "job-1");
    // The end of the authority itself, which would end them all, is known too.
    let authority = office.site.path("pki/ca.pem");
    assert_eq!(sample(&oma, &end_series(&authority)), Some(end_of(&authority)));

    // A second time the key is not there any more.
    let again = office.run(&["enroll", "--certificate", office.site.path("site-a.pem").to_str().unwrap()], "");
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(again.status.code() == Some(1) && said.contains("make a request first"), "{said}");
}

#[test]
fn an_authority_is_made_over_nobodys_files() {
    let office = Office::new("90d");
    for file in ["tls/ca.pem", "tls/oma.pem", "tls/oma.key"] {
        let file = office.site.path(file);
        let before = fs::read(&file).unwrap();
        let output = office.run(&["pki", "init"], "");
        let said = String::from_utf8(output.stderr).unwrap();
        let wanted = format!("cannot write {}: it is there already, and ", file.display());
        assert!(output.status.code() == Some(1) && said.contains(&wanted) && said.contains("move it away"), "{said}");
        assert_eq!(fs::read(&file).unwrap(), before);
        fs::remove_file(&file).unwrap();
    }
    let output = office.run(&["pki", "init"], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("has an authority already") && !office.site.path("tls/oma.pem").exists(), "{said}");
}

#[test]
fn a_reload_takes_new_certificates_and_keeps_the_old_ones_where_the_new_cannot_be_used() {
    let office = Office::new("90d");
    let oma = office.site.oma();
    office.enrolled(&office.token(&["--vma", "site-a"]));
    let vma = office.site.vma();
    office.track(&vma, &oma, "job-1");
    let certificate = office.site.path("tls/oma.pem");
    let good = fs::read(&certificate).unwrap();
    fs::write(&certificate, "garbage").unwrap();
    oma.signal(Signal::HUP);
    logged(&oma, "what lies there now cannot be used, and what was there before is shown: ");
    assert!(oma.log().contains("tls/oma.pem"), "the file is named: {}", oma.log());
    fs::write(&certificate, good).unwrap();
    oma.signal(Signal::HUP);
    until("reloaded twice", SOON, || (oma.log().matches("configuration reloaded").count() == 2).then_some(()));
    assert_eq!(office.site.events("job-1", "contact_lost"), Vec::<String>::new());
}

/// Key and certificate are two files, and a process may end between them.
#[test]
fn a_renewal_that_was_cut_off_between_its_two_files_is_completed() {
    let office = Office::new("90d");
    let oma = office.site.oma();
    office.enrolled(&office.token(&["--vma", "site-a"]));
    let (certificate, waiting) = (office.site.path("tls/vma.pem"), office.site.path("tls/vma.pem.waybill-new"));
    let old = fs::read(&certificate).unwrap();
    office.enrolled(&office.token(&["--vma", "site-a"]));
    // Whose ever it is.
    assert_eq!(fs::read(office.site.path("tls/vma.pem.waybill-old")).unwrap(), old);
    fs::rename(&certificate, &waiting).unwrap();
    fs::write(&certificate, old).unwrap();
    let vma = office.site.vma();
    office.track(&vma, &oma, "job-1");
    assert!(vma.log().contains("a renewal was cut off, and is completed now"), "{}", vma.log());
    assert!(!waiting.exists());
}

/// Whoever holds a certificate can write its ECDSA signature (r, s) as (r, n - s), which is as valid: another fingerprint.
#[test]
fn f47_a_revoked_certificate_stays_revoked_however_its_signature_is_written() {
    let office = Office::new("90d");
    let oma = office.site.oma();
    office.enrolled(&office.token(&["--vma", "site-a"]));
    let certificate = office.site.path("tls/vma.pem");
    let pem = fs::read_to_string(&certificate).unwrap();
    let (own, authority) = pem.split_at(pem.rfind("-----BEGIN").unwrap());
    let fingerprint = |text: &str| {
        let file = office.site.path("shown.pem");
        fs::write(&file, text).unwrap();
        let mut shown = Command::new("openssl");
        shown.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(file);
        String::from_utf8(shown.output().unwrap().stdout).unwrap()
    };
    let other = rewritten(own);
    assert_ne!(fingerprint(&other), fingerprint(own));
    fs::write(&certificate, other + authority).unwrap();
    let vma = office.site.vma();
    office.track(&vma, &oma, "job-1");
    office.succeeds(&["pki", "revoke", "--vma", "site-a", "--reason", "stolen"]);
    logged(&oma, "has ended: its certificate is revoked");
    logged(&vma, "the other side refuses our certificate: it is revoked");
}

/// A certificate of P-256 with its signature in the other way.
fn rewritten(pem: &str) -> String {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = BASE64.decode(body.as_bytes()).unwrap();
    let content = |der: &[u8]| if der[1] & 0x80 == 0 { 2 } else { 2 + usize::from(der[1] & 0x7f) };
    let length = |der: &[u8]| {
        content(der)
            + der[2..content(der)]
                .iter()
                .fold(usize::from(der[1] & 0x7f) * usize::from(der[1] & 0x80 == 0), |sum, byte| {
                    sum << 8 | usize::from(*byte)
                })
    };
    // The three parts: what is signed, the algorithm, the signature as a bit string of SEQUENCE { r, s }.
    let inside = &der[content(&der)..];
    let (signed, rest) = inside.split_at(length(inside));
    let (algorithm, signature) = rest.split_at(length(rest));
    let pair = &signature[3..];
    let numbers = &pair[content(pair)..];
    let (r, s) = numbers.split_at(length(numbers));
    let mut other = ORDER;
    let mut borrow = 0_i16;
    let s: Vec<u8> = [vec![0; 33], s[2..].to_vec()].concat();
    for (place, byte) in other.iter_mut().rev().zip(s.iter().rev()) {
        let difference = i16::from(*place) - i16::from(*byte) - borrow;
        borrow = i16::from(difference < 0);
        *place = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let zeros = other.iter().take_while(|byte| **byte == 0).count();
    let other = &other[zeros..];
    let number = if other[0] & 0x80 == 0 { other.to_vec() } else { [vec![0], other.to_vec()].concat() };
    let sequence = |tag: u8, content: Vec<u8>| {
        let size = content.len();
        let head = match size {
            ..128 => vec![tag, size as u8],
            128..256 => vec![tag, 0x81, size as u8],
            _ => vec![tag, 0x82, (size >> 8) as u8, size as u8],
        };
        [head, content].concat()
    };
    let pair = sequence(0x30, [r.to_vec(), sequence(2, number)].concat());
    let signature = sequence(3, [vec![0], pair].concat());
    let der = sequence(0x30, [signed.to_vec(), algorithm.to_vec(), signature].concat());
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(&der))
}
