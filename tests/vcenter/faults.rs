//! What a vCenter may do instead of answering, and who must not be taken for it. Goal: each has its name, its remedy and its
//! exit code, no password is shown or sent to a stranger, and nothing hangs.

use rustix::process::Signal;
use serde_json::Value;
use waybill::config::VmaConfig;
use waybill::vsphere::Vcenter;

use crate::harness::{SOON, Site, until};
use crate::plans::{Planned, told};
use crate::vcsim::{PATH, VM, Vcsim};

#[test]
fn each_fault_is_told_with_what_to_do() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    vcsim.mark(2000, 0, 1);
    vcsim.snapshot("s");
    // Of a call without which there is no plan.
    for (fault, said, code) in [
        ("NoPermission", "give the user System.Read", 1),
        ("NotSupported", "hardware version is at least 7", 1),
        ("SystemError", "see vCenter's own log", 1),
        ("NotAuthenticated", "whether its sessions are ended", 1),
    ] {
        vcsim.meet("RetrievePropertiesEx", &[("fault", fault), ("times", "2")]);
        let (text, exit) = planned.refused(&["--vm", PATH]);
        assert!(text.contains(&format!("RetrievePropertiesEx failed with {fault}")) && text.contains(said), "{text}");
        assert_eq!(exit, code, "{text}");
        vcsim.meet("RetrievePropertiesEx", &[("times", "0")]);
    }
    // Of the areas of one disk, for which a weaker basis serves.
    vcsim.tell("layout", &[("vm", VM), ("extent", "700000")]);
    for (fault, said) in [
        ("FileFault", "power the VM on, or take a snapshot"),
        ("NoPermission", "VirtualMachine.Provisioning.DiskRandomRead"),
        ("ManagedObjectNotFound", "it is asked again with the next snapshot"),
        ("NotFound", "it is asked again with the next snapshot"),
    ] {
        vcsim.meet("QueryChangedDiskAreas", &[("fault", fault)]);
        let (plan, code) = planned.plan(&[]);
        let disk = &plan["disks"][0];
        let reason = disk["reasons"][0].as_str().expect("a reason");
        assert!(reason.contains(&format!("failed with {fault}")) && reason.contains(said), "{reason}");
        assert_eq!(
            (told(disk), disk["verdict"].as_str(), code),
            ((700_000, "layout".to_owned(), None), Some("estimated"), 0)
        );
    }
}

#[test]
fn a_session_that_has_ended_begins_anew_once_and_the_call_is_repeated() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    vcsim.mark(2000, 0, 5);
    vcsim.snapshot("s");
    vcsim.tell("answers", &[("page", "1")]);
    vcsim.meet("QueryChangedDiskAreas", &[("fault", "NotAuthenticated")]);
    assert_eq!(planned.first(&[]), (5 * 65_536, "cbt-allocated".to_owned(), Some(5)));
    assert_eq!((vcsim.calls("Login"), vcsim.calls("QueryChangedDiskAreas")), (2, 6));
}

#[test]
fn a_session_is_kept_alive_where_there_is_one_and_ended_once() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    let text = std::fs::read_to_string(planned.site.path("vma.toml")).unwrap();
    let config = VmaConfig::parse(&text, "vma.toml").expect("valid").vcenter.expect("a vCenter");
    let vcenter = Vcenter::new(config);
    async_io::block_on(async {
        vcenter.keep_alive().await.expect("nothing to do");
        assert_eq!(vcsim.calls("RetrieveServiceContent"), 0, "no session, no call");
        vcenter.find(PATH).await.expect("a VM");
        vcenter.keep_alive().await.expect("alive");
        assert_eq!((vcsim.calls("CurrentTime"), vcsim.sessions()), (1, 1));
        vcsim.tell("expire", &[]);
        vcenter.keep_alive().await.expect("alive again");
        assert_eq!((vcsim.calls("Login"), vcsim.calls("CurrentTime"), vcsim.sessions()), (2, 3, 1));
        vcenter.log_out().await;
        vcenter.log_out().await;
        assert_eq!((vcsim.calls("Logout"), vcsim.sessions()), (1, 0));
    });
}

#[test]
fn hostile_and_broken_answers_are_named() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    let envelope = |inside: &str| format!("<Envelope><Body>{inside}</Body></Envelope>");
    let deep = envelope(&("<a>".repeat(100) + &"</a>".repeat(100)));
    let wide = envelope(&"<a/>".repeat(300_000));
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\">]><Envelope><Body>&b;</Body></Envelope>";
    let (huge, cut) = ("x".repeat(17 << 20), envelope("<RetrievePropertiesExResponse><returnval>"));
    for (raw, said) in [
        (deep.as_str(), "more than 64 deep"),
        (&wide, "more than 250000 elements"),
        (bomb, "a document type is not allowed"),
        (&cut[..40], "no SOAP answer (status 200): byte"),
        ("", "an empty answer"),
        ("<html></html>", "<html> instead of a SOAP envelope"),
        ("{\"error\":1}", "no SOAP answer"),
        (&huge, "the answer is larger than 16777216 bytes"),
    ] {
        vcsim.meet_raw("RetrievePropertiesEx", raw, 200);
        let (text, code) = planned.refused(&["--vm", PATH]);
        assert!(text.contains(said), "{said}: {}", &text[..text.len().min(1000)]);
        assert!(text.len() < 1000 && code != 0, "{}", text.len());
    }
    vcsim.meet_raw("RetrievePropertiesEx", "no healthy upstream", 503);
    let (text, _) = planned.refused(&["--vm", PATH]);
    assert!(text.contains("status 503 without SOAP"), "{text}");
}

#[test]
fn only_the_vcenter_that_was_agreed_on_gets_the_password() {
    let planned = Planned::new();
    let (vcsim, site) = (&planned.vcsim, &planned.site);
    vcsim.mark(2000, 0, 1);
    vcsim.snapshot("s");
    let ca = format!("ca_file = \"{}\"\n", vcsim.file("ca.pem").display());
    let (sha256, sha1) = (vcsim.thumbprint("sha256"), vcsim.thumbprint("sha1"));
    let pin = |thumbprint: &str| format!("thumbprint = \"{thumbprint}\"\n");
    let bare = sha256.replace(':', "").to_lowercase();
    for trust in [pin(&sha256), pin(&bare), pin(&sha1), ca.clone() + &pin(&sha256), ca.clone()] {
        site.configure_vma(&vcsim.section_with(&trust));
        assert_eq!(planned.first(&[]).0, 65_536, "{trust}");
    }
    // A stranger's authority; and a pin that is wrong counts also where the authority is right.
    let other = crate::vcsim::Vcsim::start();
    let stranger = format!("ca_file = \"{}\"\n", other.file("ca.pem").display());
    let (logins, calls) = (vcsim.calls("Login"), vcsim.calls("RetrieveServiceContent"));
    for (trust, said) in [
        (stranger.clone(), "was not issued by the trusted authority"),
        (ca.clone() + &pin(&other.thumbprint("sha256")), "is not the pinned one"),
        (pin(&other.thumbprint("sha1")), "is not the pinned one"),
        (stranger + &pin(&sha256), "was not issued by the trusted authority"),
    ] {
        site.configure_vma(&vcsim.section_with(&trust));
        let (text, code) = planned.refused(&["--vm", PATH]);
        assert!(text.contains(said) && text.contains(&sha256), "{text}");
        assert!(text.contains("compared on its console") && code == 5, "{text}");
    }
    assert_eq!((vcsim.calls("Login"), vcsim.calls("RetrieveServiceContent")), (logins, calls), "not a byte of HTTP");
}

#[test]
fn secrets_are_read_when_they_are_needed_and_never_shown() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    vcsim.snapshot("s");
    std::fs::write(vcsim.file("password"), "wrong-hush\n").unwrap();
    let (text, code) = planned.refused(&["--vm", PATH]);
    assert!(text.contains("Login failed with InvalidLogin") && text.contains("the account may be locked"), "{text}");
    assert!(!text.contains("hush") && code == 1, "{text}");
    assert_eq!(vcsim.calls("Login"), 1, "repeated logins lock accounts");
    std::fs::remove_file(vcsim.file("password")).unwrap();
    let (text, code) = planned.refused(&["--vm", PATH]);
    assert!(text.contains("password: No such file") && text.contains("LoadCredential=") && code == 3, "{text}");

    // Without files, systemd's credentials.
    let section = format!("[vcenter]\nurl = \"{}\"\nca_file = \"{}\"\n", vcsim.url(), vcsim.file("ca.pem").display());
    planned.site.configure_vma(&section);
    let (text, code) = planned.refused(&["--vm", PATH]);
    assert!(text.contains("systemd gives no credential \"vcenter-username\"") && code == 3, "{text}");
    for (name, secret) in [("vcenter-username", "user"), ("vcenter-password", "p<a&s>s")] {
        std::fs::write(vcsim.file(name), secret).unwrap();
        crate::vcsim::run(std::process::Command::new("chmod").arg("400").arg(vcsim.file(name)));
    }
    let mut command = crate::harness::waybill(&["plan", "--vm", PATH, "--json", "--config"]);
    let output =
        command.arg(planned.site.path("vma.toml")).env("CREDENTIALS_DIRECTORY", vcsim.file("")).output().unwrap();
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(told(&plan["disks"][0]).1, "cbt-allocated");
}

#[test]
fn a_password_that_became_wrong_is_tried_once_however_many_jobs_wait() {
    let (vcsim, site) = (Vcsim::start(), Site::fast());
    site.configure_vma(&vcsim.section());
    let vma = site.vma();
    vcsim.snapshot("s");
    let declare = |job: &str| vma.put(&format!("/api/v1/jobs/{job}"), &format!(r#"{{"vm":{{"path":"{PATH}"}}}}"#), 201);
    declare("first");
    until("the first plan", SOON, || (vma.document("first")["aggregate"]["basis"] == "cbt-allocated").then_some(()));
    until("its session has ended", SOON, || (vcsim.sessions() == 0).then_some(()));
    std::fs::write(vcsim.file("password"), "hush\n").unwrap();
    let logins = vcsim.calls("Login");
    (0..8).for_each(|number| drop(declare(&format!("job-{number}"))));
    let told = "SELECT count(*) FROM job_events WHERE event = 'plan_delayed'";
    until("all jobs say so", SOON, || (site.rows_of("vma.db", told) == ["8"]).then_some(()));
    assert_eq!(vcsim.calls("Login") - logins, 1, "a few of them lock the account");
}

#[test]
fn a_reload_with_a_plan_on_its_way_leaves_no_session_behind() {
    let (vcsim, site) = (Vcsim::start(), Site::fast());
    site.configure_vma(&vcsim.section());
    let vma = site.vma();
    vcsim.mark(2000, 0, 20);
    vcsim.snapshot("s");
    vcsim.tell("answers", &[("page", "1")]);
    vcsim.meet("QueryChangedDiskAreas", &[("delay_ms", "20"), ("times", "-1")]);
    vma.put("/api/v1/jobs/web01", &format!(r#"{{"vm":{{"path":"{PATH}"}}}}"#), 201);
    for reload in 1..=3 {
        vcsim.until_calls("QueryChangedDiskAreas", 5 * reload);
        vma.signal(Signal::HUP);
    }
    until("the plan", SOON, || (vma.document("web01")["aggregate"]["basis"] == "cbt-allocated").then_some(()));
    until("every session has ended", SOON, || (vcsim.sessions() == 0).then_some(()));
}
