//! Help, usage errors, `check-config`, and the commands that ask an appliance.

use crate::binary::{self, Appliance, waybill, waybill_with};

/// What an appliance says of a request that it has taken.
const TAKEN: &str = r#"{"job_id":"job-1","status":"Queued"}"#;

#[test]
fn the_help_of_every_command_fits_the_screen_and_says_what_it_takes() {
    let top = waybill(&["--help"]).succeeded();
    assert!(top.lines().count() <= 40, "one screen, not {} lines", top.lines().count());
    for word in ["job", "mover", "VMA", "OMA", "Examples:", "Exit codes:", "COMMAND --help"] {
        assert!(top.contains(word), "{word} in\n{top}");
    }
    let listed = top.lines().skip_while(|line| !line.starts_with("See what")).take_while(|line| *line != "Examples:");
    let commands: Vec<&str> =
        listed.filter(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() >= 13 && commands.contains(&"watch") && commands.contains(&"check-config"), "{commands:?}");
    for command in commands {
        let help = waybill(&[command, "--help"]).succeeded();
        assert_eq!(waybill(&["help", command]).succeeded(), help);
        assert_eq!(waybill(&[command, "-h"]).succeeded(), help);
        assert!(help.contains(&format!("Usage: waybill {command} ")), "{help}");
        assert!(help.contains("\nExample") && help.contains("\nExit codes: "), "{help}");
        for line in help.lines().chain(top.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
    assert_eq!(waybill(&["help"]).succeeded(), top);
    assert_eq!(waybill(&["--version"]).succeeded(), format!("waybill {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_is_named_with_its_remedy() {
    let cases: &[(&[&str], &str)] = &[
        (&["job"], "waybill: \"job\": unknown command\n  remedy: did you mean `waybill jobs`?"),
        (&["frobnicate"], "waybill: \"frobnicate\": unknown command\n  remedy: `waybill --help` lists the commands"),
        (&["help", "shw"], "did you mean `waybill show`?"),
        (
            &["jobs", "--jsn"],
            "waybill: jobs: unknown option --jsn; did you mean --json?\n  remedy: `waybill jobs --help`",
        ),
        (&["jobs", "-x"], "waybill: jobs: unknown option -x\n"),
        (&["jobs", "job-1"], "\"job-1\" is one word too many"),
        (&["jobs", "--db"], "waybill: jobs: missing argument for option '--db'"),
        (&["jobs", "--db", "a", "--db", "b"], "--db is given twice"),
        (&["jobs", "--json=yes"], "unexpected argument for option '--json'"),
        (&["show"], "waybill: show: JOB is missing"),
        (&["show", ""], "JOB \"\" is empty"),
        (&["track", "job-1"], "--vma NAME is missing"),
        (
            &["track", "job-1", "--vma", "a", "--oma", "http://10.0.0.1:8082"],
            "--oma host \"10.0.0.1\" is not this machine",
        ),
        (&["finish", "job-1", "--vma", "https://127.0.0.1"], "--vma https is not possible here"),
        (
            &["finish", "job-1", "--vma", "http://[::1]:1", "--oma", "http://[::1]:2"],
            "--oma and --vma exclude each other",
        ),
        (&["vma"], "waybill: vma: --config FILE is missing"),
        (&["check-config"], "FILE is missing"),
    ];
    for (args, part) in cases {
        let message = waybill(args).refused_with(2);
        assert!(message.contains(part), "{args:?}: wanted {part:?} in\n{message}");
        assert!(message.contains("\n  remedy: "), "{message}");
    }
    let bare = waybill(&[]).refused_with(2);
    assert!(bare.contains("Usage: waybill COMMAND"), "{bare}");
}

#[test]
fn check_config_tells_every_mistake_and_names_what_is_valid() {
    let root = env!("CARGO_MANIFEST_DIR");
    let shipped = |file: &str| format!("{root}/packaging/config/{file}");
    let said = waybill(&["check-config", &shipped("vma.toml")]).succeeded();
    assert_eq!(
        said,
        format!("{}: valid VMA configuration (site-a, change ids go to 127.0.0.1:18082)\n", shipped("vma.toml"))
    );
    let said = waybill(&["check-config", &shipped("oma.toml")]).succeeded();
    assert_eq!(said, format!("{}: valid OMA configuration (1 VMA)\n", shipped("oma.toml")));

    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("x.toml");
    let file = file.to_str().expect("UTF-8");
    std::fs::write(file, "name = 'a'\n\nlisten = '0.0.0.0:80'\nfoo = 1\n").expect("written");
    let expected = format!(
        "waybill: configuration refused, 2 faults:\n\
         {file}:3: listen: 0.0.0.0 is not a loopback address; without TLS waybill listens on loopback only\n  \
         remedy: write \"127.0.0.1:PORT\" or \"[::1]:PORT\"; the default is \"127.0.0.1:8081\"\n\
         {file}:4: foo: unknown key\n  \
         remedy: remove or rename it; allowed at the top of the file: name, database, listen, auto_initialize, \
         keep_finished, failed_grace, tls, tunnel, vcenter, changeid_spool\n"
    );
    assert_eq!(waybill(&["check-config", file]).refused_with(3), expected);
    assert_eq!(waybill(&["vma", "--config", file]).refused_with(3), expected);
    let as_oma = waybill(&["check-config", "--role", "oma", file]).refused_with(3);
    assert!(as_oma.contains("x.toml:1: name: unknown key"), "{as_oma}");

    std::fs::write(file, "listen = '127.0.0.1:80'\n").expect("written");
    let untold = waybill(&["check-config", file]).refused_with(2);
    assert!(untold.contains("--role vma or --role oma"), "{untold}");
    let absent = waybill(&["check-config", &format!("{file}.absent")]).refused_with(3);
    assert!(absent.contains("cannot read the configuration") && absent.contains("No such file"), "{absent}");
}

#[test]
fn track_sends_what_it_was_told_and_says_whether_that_was_news() {
    let oma = Appliance::answering(201, TAKEN);
    let args = ["track", "job 1/2", "--vma", "site-a", "--vm", "/DC0/vm/web01", "--disk", "d0", "--disk", "d1"];
    let said = waybill(&[&args[..], &["--oma", &oma.url()]].concat()).succeeded();
    assert_eq!(said, "job job 1/2 of VMA site-a is tracked; follow it with: waybill watch job 1/2\n");
    let request = oma.request();
    assert!(request.starts_with("POST /api/v1/jobs HTTP/1.1\r\n"), "{request}");
    let body = r#"{"id":"job 1/2","vma":"site-a","vm":{"path":"/DC0/vm/web01"},"disks":[{"id":"d0"},{"id":"d1"}]}"#;
    assert!(request.to_ascii_lowercase().contains("content-type: application/json\r\n"), "{request}");
    assert!(request.ends_with(body), "{request}");

    let oma = Appliance::answering(200, TAKEN);
    let said = waybill(&["track", "job-1", "--vma", "site-a", "--oma", &oma.url()]).succeeded();
    assert!(said.contains("is already tracked"), "{said}");
    assert!(oma.request().ends_with(r#"{"id":"job-1","vma":"site-a","disks":[]}"#));
}

#[test]
fn u04_cancel_ends_a_job_with_a_reason_and_says_that_the_mover_goes_on() {
    let oma = Appliance::answering(200, TAKEN);
    let said = waybill(&["cancel", "job 1/2", "--reason", "wrong \"volume\"", "--oma", &oma.url()]).succeeded();
    assert_eq!(
        said,
        "job job 1/2 is cancelled; `waybill run` ends its mover, any other one is to be ended on the VMA\n"
    );
    let request = oma.request();
    assert!(request.starts_with("POST /api/v1/jobs/job%201%2F2/cancel HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with(r#"{"reason":"wrong \"volume\""}"#), "{request}");
    assert!(waybill(&["cancel", "job-1"]).refused_with(2).contains("--reason TEXT is missing"));
}

#[test]
fn finish_goes_to_the_vma_unless_the_oma_is_named() {
    let vma = Appliance::answering(200, TAKEN);
    let said = waybill(&["finish", "job 1/2", "--vma", &vma.url()]).succeeded();
    assert_eq!(said, "job job 1/2 is finished: Succeeded\n");
    let request = vma.request();
    assert!(request.starts_with("POST /api/v1/jobs/job%201%2F2/finish HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with(r#"{"status":"Succeeded"}"#), "{request}");

    let oma = Appliance::answering(200, TAKEN);
    waybill(&["finish", "job-1", "--failed", "no \"space\"", "--oma", &format!("{}/", oma.url())]).succeeded();
    let request = oma.request();
    assert!(request.starts_with("POST /api/v1/jobs/job-1/finish HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with(r#"{"status":"Failed","error":"no \"space\""}"#), "{request}");
}

#[test]
fn a_refusal_has_its_exit_code_and_the_servers_own_reason_and_remedy() {
    let problem = r#"{"type":"urn:waybill:problem:disks-open","title":"Disks are open","status":409,
                      "detail":"disk-2001 is Streaming\u001b[2J","remedy":"wait for it"}"#;
    let vma = Appliance::answering(409, problem);
    let message = waybill(&["finish", "job-1", "--vma", &vma.url()]).refused_with(6);
    let expected =
        "waybill: cannot finish job job-1: Disks are open: disk-2001 is Streaming [2J\n  remedy: wait for it\n";
    assert_eq!(message, expected);

    for status in [404, 400, 500, 302, 200] {
        let vma = Appliance::answering(status, "plain words");
        let url = vma.url();
        let message = waybill(&["finish", "job-1", "--vma", &vma.url()]).refused_with(5);
        let other = format!("at {url} (--vma) answers a program that is not waybill (status {status}), not the VMA");
        assert!(message.contains(&other), "{message}");
    }
}

#[test]
fn an_appliance_that_is_not_there_is_unreachable() {
    let port = binary::free_port();
    let message = waybill(&["track", "j", "--vma", "a", "--oma", &format!("http://127.0.0.1:{port}")]).refused_with(5);
    assert!(message.starts_with("waybill: cannot track job j: the OMA at http://127.0.0.1:"), "{message}");
    assert!(
        message.contains("Connection refused") && message.contains("\n  remedy: see whether its daemon"),
        "{message}"
    );
}

#[test]
fn a_command_that_meets_the_wrong_appliance_says_which_and_what_mends_it() {
    let problem = r#"{"type":"urn:waybill:problem:no-such-path","title":"There is no such path","status":404,
                      "detail":"/api/v1/jobs is no path of it","appliance":"VMA change-id listener"}"#;
    for args in [&["track", "job-1", "--vma", "site-a"][..], &["cancel", "job-1", "--reason", "x"]] {
        let spool = Appliance::answering(404, problem);
        let message = waybill_with("WAYBILL_OMA", &spool.url(), args).refused_with(5);
        let other = format!("at {} (WAYBILL_OMA) answers waybill's VMA change-id listener, not the OMA", spool.url());
        assert!(message.contains(&other), "{message}");
        assert!(message.contains("with --oma URL or the environment variable WAYBILL_OMA"), "{message}");
    }
    let unknown = r#"{"type":"urn:waybill:problem:unknown-job","title":"The job is not known","status":404}"#;
    let oma = Appliance::answering(404, unknown);
    waybill(&["cancel", "job-1", "--reason", "x", "--oma", &oma.url()]).refused_with(4);
    let vma = Appliance::answering(200, TAKEN);
    waybill_with("WAYBILL_VMA", &vma.url(), &["finish", "job-1"]).succeeded();
    assert!(vma.request().starts_with("POST /api/v1/jobs/job-1/finish "));
}
