//! The vCenter of these tests: VMware's own simulator with change tracking added (`tests/vcsim`), built once for each run
//! of the tests. Each test has its own, with its own authority and certificate.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;
use waybill::wire::http::encode_segment;

use crate::certificates::{Authority, Identity};
use crate::harness::{SOON, until};
use crate::http::Peer;

/// The first VM of the inventory, its path, and its first disk.
pub const VM: &str = "DC0_H0_VM0";
pub const PATH: &str = "/DC0/vm/DC0_H0_VM0";

/// A vCenter that runs.
pub struct Vcsim {
    folder: TempDir,
    identity: Identity,
    child: Child,
    address: SocketAddr,
    control: SocketAddr,
}

impl Vcsim {
    pub fn start() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let authority = Authority::new();
        let identity = authority.issue_good();
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        fs::write(folder.path().join("user"), "user\n").unwrap();
        fs::write(folder.path().join("password"), "p<a&s>s\n").unwrap();
        for secret in ["user", "password"] {
            run(Command::new("chmod").arg("600").arg(folder.path().join(secret)));
        }
        let (child, address, control) = launch(folder.path(), &identity, "127.0.0.1:0");
        Self { folder, identity, child, address, control }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    /// Another vCenter at the same address with the same certificate, which knows nothing of the one before.
    pub fn start_again(&mut self) {
        let address = self.address.to_string();
        (self.child, self.address, self.control) = launch(self.folder.path(), &self.identity, &address);
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    pub fn url(&self) -> String {
        format!("https://{}/sdk", self.address)
    }
    /// The section of `vma.toml` that leads here, trusting the authority.
    pub fn section(&self) -> String {
        self.section_with(&format!("ca_file = \"{}\"", self.file("ca.pem").display()))
    }
    /// The same with other keys of trust.
    pub fn section_with(&self, trust: &str) -> String {
        format!(
            "[vcenter]\nurl = \"{}\"\nusername_file = \"{}\"\npassword_file = \"{}\"\n{trust}\n",
            self.url(),
            self.file("user").display(),
            self.file("password").display()
        )
    }
    /// The certificate's fingerprint by that digest, `sha256` or `sha1`.
    pub fn thumbprint(&self, digest: &str) -> String {
        self.identity.fingerprint(digest)
    }

    /// Brings something about by the control of `tests/vcsim/control.go`.
    pub fn tell(&self, what: &str, values: &[(&str, &str)]) {
        let values: Vec<String> =
            values.iter().map(|(name, value)| format!("{name}={}", encode_segment(value))).collect();
        let target = format!("/{what}?{}", values.join("&"));
        let answer = Peer::new(self.control).call("POST", &target, b"").expect("the control answers");
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    }
    /// Marks `count` areas of 64 KiB of a disk of the first VM, each second block of 64 KiB from `start` on.
    pub fn mark(&self, key: i64, start: u64, count: u64) {
        let (key, start, count) = (key.to_string(), start.to_string(), count.to_string());
        self.tell("write", &[("vm", VM), ("key", &key), ("start", &start), ("length", "65536"), ("count", &count)]);
    }
    pub fn snapshot(&self, name: &str) {
        self.tell("snapshot", &[("vm", VM), ("name", name)]);
    }
    /// The next calls of a method meet with this.
    pub fn meet(&self, method: &str, values: &[(&str, &str)]) {
        let all: Vec<(&str, &str)> = [("method", method)].iter().chain(values).copied().collect();
        self.tell("misfortune", &all);
    }
    /// The next call of a method gets this body and status; it may be long.
    pub fn meet_raw(&self, method: &str, raw: &str, status: u16) {
        std::fs::write(self.file("raw"), raw).unwrap();
        let raw = self.file("raw");
        self.meet(method, &[("raw_file", raw.to_str().expect("UTF-8")), ("status", &status.to_string())]);
    }

    fn counted(&self) -> Value {
        Peer::new(self.control).call("GET", "/calls", b"").expect("the control answers").json()
    }
    /// How often a method was called.
    pub fn calls(&self, method: &str) -> u64 {
        self.counted()["calls"][method].as_u64().unwrap_or(0)
    }
    /// How many sessions are alive.
    pub fn sessions(&self) -> u64 {
        self.counted()["sessions"].as_u64().expect("a number")
    }
    pub fn until_calls(&self, method: &str, count: u64) {
        until(&format!("{count} calls of {method}"), SOON, || (self.calls(method) >= count).then_some(()));
    }
}

impl Drop for Vcsim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(folder: &Path, identity: &Identity, listen: &str) -> (Child, SocketAddr, SocketAddr) {
    let mut command = Command::new(binary());
    command.args(["-listen", listen, "-username", "user", "-password", "p<a&s>s"]);
    command.arg("-cert").arg(&identity.certificate).arg("-key").arg(&identity.key);
    // Its datastores are folders that a killed one leaves behind.
    command.env("TMPDIR", folder).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("vcsim starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut address = || {
        let line = lines.next().expect("vcsim says where it is").unwrap();
        let rest = line.split_once("://").expect("a URL").1;
        rest.split('/').next().and_then(|host| host.parse().ok()).unwrap_or_else(|| panic!("{line}"))
    };
    let (outer, control) = (address(), address());
    (child, outer, control)
}

fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vcsim");
        let mut go = Command::new("go");
        go.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vcsim"));
        go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").args(["build", "-o"]).arg(&program).arg(".");
        run(&mut go);
        program
    })
}

pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
