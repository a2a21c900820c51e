//! Bodies that nobody should send, to every path that takes one: a refusal that names the fault, and a daemon that does
//! not care (R-32, R-80).

use serde_json::Value;

use crate::harness::{Daemon, Site};
use crate::http::Peer;
use crate::mover::{self, Mover};

/// Bodies that are wrong for every path.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str, close: &str| [open.repeat(2000), close.repeat(2000)].concat().into_bytes();
    vec![
        ("unclosed object", b"{".to_vec()),
        ("unclosed text", b"{\"stage\":\"Tran".to_vec()),
        ("unclosed array of an unknown key", b"{\"zz\":[".to_vec()),
        ("missing value", b"{\"zz\":}".to_vec()),
        ("deep objects", deep("{\"a\":", "}")),
        ("deep arrays in a key", [b"{\"disks\":".to_vec(), deep("[", "]"), b"}".to_vec()].concat()),
        ("100 kB of brackets", vec![b'['; 100_000]),
        ("100 kB of braces", vec![b'{'; 100_000]),
        ("NaN", b"{\"stage\":\"Transfer\",\"bytes_transferred\":NaN,\"status\":NaN}".to_vec()),
        ("infinity", b"{\"stage\":\"Transfer\",\"bytes_transferred\":1e400,\"status\":1e400}".to_vec()),
        ("invalid UTF-8 in a key", b"{\"\xff\":\"Transfer\",\"\xc3\x28\":1}".to_vec()),
        ("lone surrogate in a key", b"{\"\\ud800\":\"Transfer\"}".to_vec()),
        ("NUL bytes", vec![0; 64]),
        ("array", b"[\"Transfer\",\"in_progress\",1]".to_vec()),
        ("number", b"42".to_vec()),
        ("null", b"null".to_vec()),
        ("text", b"\"Transfer\"".to_vec()),
        ("wrong types", b"{\"stage\":{},\"status\":[],\"disks\":7,\"id\":1,\"vma\":false,\"change_id\":[],\"reason\":{}}".to_vec()),
        ("arrays for texts", b"{\"stage\":[\"a\"],\"status\":[\"Failed\"],\"vm\":[],\"id\":[],\"change_id\":[\"x\"],\"reason\":[\"x\"]}".to_vec()),
        ("huge number", [b"{\"stage\":\"Transfer\",\"status\":1,\"reason\":1,\"vm\":1,\"id\":1,\"change_id\":1,\"total_bytes\":".to_vec(), vec![b'9'; 50_000], b"}".to_vec()].concat()),
        ("duplicate keys", b"{\"stage\":\"a\",\"stage\":\"b\",\"status\":\"Failed\",\"status\":\"Failed\",\"vm\":{},\"vm\":{},\"id\":\"a\",\"id\":\"b\",\"change_id\":\"a\",\"change_id\":\"b\",\"reason\":\"a\",\"reason\":\"b\"}".to_vec()),
        ("two objects", b"{} {}".to_vec()),
        ("XML", b"<?xml version=\"1.0\"?><a/>".to_vec()),
    ]
}

fn refuses_all(daemon: &Daemon, paths: &[(&str, &str)]) {
    for (method, target) in paths {
        let mut peer = Peer::new(daemon.address());
        for (what, body) in bodies() {
            let answer =
                peer.call(method, target, &body).unwrap_or_else(|error| panic!("{method} {target} {what}: {error}"));
            assert_eq!(answer.status, 400, "{method} {target} {what}: {answer:?}");
            assert_eq!(answer.content_type, "application/problem+json", "{method} {target} {what}");
            let problem = answer.json();
            assert_eq!(problem["status"], 400, "{problem}");
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(!detail.is_empty() && detail.len() < 500, "{what}: {problem}");
        }
    }
}

/// The document without what falls with time alone (R-7).
fn at_rest(mut document: Value) -> Value {
    for (of, key) in [("/aggregate", "throughput_bps"), ("/aggregate", "eta_seconds"), ("/disks/0", "throughput_bps")] {
        document.pointer_mut(of).and_then(Value::as_object_mut).expect(of).remove(key).expect(key);
    }
    document
}

#[test]
fn hostile_bodies_are_refused_by_name_and_move_nothing() {
    let site = Site::fast();
    let (mut vma, mut oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", r#"{"disks":[{"id":"disk-2000","capacity_bytes":1000}]}"#, 201);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    Mover::new(&vma, "job-1").push(&mover::running(250, 1000));
    site.until_rows("SELECT bytes_transferred FROM replication_jobs", &["250"]);
    let before = vma.document("job-1");
    refuses_all(
        &vma,
        &[
            ("POST", "/api/v1/progress/job-1/update"),
            ("POST", "/api/v1/progress/unheard-of/update"),
            ("PUT", "/api/v1/jobs/job-1"),
            ("PUT", "/api/v1/jobs/unheard-of"),
            ("POST", "/api/v1/jobs/job-1/finish"),
        ],
    );
    refuses_all(
        &oma,
        &[
            ("POST", "/api/v1/jobs"),
            ("POST", "/api/v1/jobs/job-1/cancel"),
            ("POST", "/api/v1/replications/job-1/changeid"),
        ],
    );
    for daemon in [&mut vma, &mut oma] {
        assert!(daemon.is_running() && daemon.is_healthy());
    }
    assert_eq!(at_rest(vma.document("job-1")), at_rest(before));
    assert_eq!(vma.get("/api/v1/progress/unheard-of").status, 404);
    assert_eq!(site.rows("SELECT id, status, bytes_transferred FROM replication_jobs"), ["job-1|streaming|250"]);
    assert_eq!(site.rows("SELECT count(*) FROM received_change_ids"), ["0"]);
}

#[test]
fn bad_ids_and_paths_are_refused_as_well() {
    let site = Site::fast();
    let vma = site.vma();
    let long = format!("/api/v1/progress/{}", "x".repeat(256));
    for (method, target, status) in [
        ("GET", long.as_str(), 400),
        ("GET", "/api/v1/progress/a%00b", 400),
        ("GET", "/api/v1/progress/%ff%fe", 400),
        ("GET", "/api/v1/progress/", 400),
        ("GET", "/api/v1/progress?since=-1", 400),
        ("GET", "/api/v1/progress?since=99999999999999999999999", 400),
        ("DELETE", "/api/v1/progress/job-1", 405),
        ("POST", "/metrics", 405),
        ("GET", "/api/v1/progress/job-1/update", 405),
        ("GET", "/api/v2/progress/job-1", 404),
        ("GET", "/../../etc/passwd", 404),
    ] {
        let answer = vma.call(method, target, b"");
        assert_eq!((answer.status, answer.content_type.as_str()), (status, "application/problem+json"), "{target}");
    }
    let odd = "/api/v1/progress/migration%2Dvol%2F%C3%BC/update";
    assert_eq!(vma.post(odd, mover::DISK_STARTS, 200).json()["job_id"], "migration-vol/ü");
}
