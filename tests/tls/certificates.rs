//! Certificates as operators make them, with the `openssl` command, in a directory of the test's own.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

use tempfile::TempDir;
use waybill::wire::thumbprint::Thumbprint;

/// An authority.
pub struct Authority {
    directory: Rc<TempDir>,
    issued: Cell<u32>,
}

/// A server's certificate with its key, as files.
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Holds the files.
    _directory: Rc<TempDir>,
}

/// A small key, quickly made.
pub const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";

/// From when until when, as `openssl ca` takes it.
pub const NOW: (&str, &str) = ("20200101000000Z", "20991231000000Z");

const CONFIG: &str = "[ca]\ndefault_ca = it\n[it]\ndatabase = index\nunique_subject = no\nserial = serial\nnew_certs_dir = .\n\
                      certificate = ca.pem\nprivate_key = ca.key\ndefault_md = sha256\npolicy = any\n\
                      [any]\ncommonName = supplied\n";

impl Authority {
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ca.cnf"), CONFIG).unwrap();
        fs::write(directory.path().join("index"), "").unwrap();
        fs::write(directory.path().join("serial"), "01\n").unwrap();
        openssl(&directory, &format!("req -x509 {EC} -nodes -keyout ca.key -out ca.pem -subj /CN=Authority"));
        Self { directory: Rc::new(directory), issued: Cell::new(0) }
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> Vec<u8> {
        fs::read(self.directory.path().join("ca.pem")).unwrap()
    }

    /// A certificate for the names (`DNS:a.example,IP:127.0.0.1`) and times.
    pub fn issue(&self, names: &str, (from, until): (&str, &str)) -> Identity {
        self.issued.set(self.issued.get() + 1);
        let number = self.issued.get();
        let path = |file: &str| self.directory.path().join(file);
        fs::write(path("ext"), format!("subjectAltName = {names}\n")).unwrap();
        openssl(&self.directory, &format!("req -new {EC} -nodes -keyout own{number}.key -out s.csr -subj /CN=server"));
        let files = format!("-in s.csr -out own{number}.pem -extfile ext");
        openssl(
            &self.directory,
            &format!("ca -config ca.cnf -batch -notext {files} -startdate {from} -enddate {until}"),
        );
        let (certificate, key) = (path(&format!("own{number}.pem")), path(&format!("own{number}.key")));
        Identity { certificate, key, _directory: Rc::clone(&self.directory) }
    }

    /// One that is good for `localhost` and 127.0.0.1.
    pub fn issue_good(&self) -> Identity {
        self.issue("DNS:localhost,IP:127.0.0.1", NOW)
    }
}

impl Identity {
    /// Signed with its own key; `options` as `openssl req` takes them.
    pub fn self_signed(options: &str) -> Self {
        let directory = TempDir::new().unwrap();
        openssl(&directory, &format!("req -x509 -nodes -keyout s.key -out s.pem -subj /CN=server {options}"));
        let path = |file: &str| directory.path().join(file);
        Self { certificate: path("s.pem"), key: path("s.key"), _directory: Rc::new(directory) }
    }

    /// What a thief can show: this certificate, which is public, with a key of their own.
    pub fn with_key_of(&self, other: Self) -> Self {
        fs::copy(&self.certificate, &other.certificate).unwrap();
        other
    }

    /// Its thumbprint as the command tells it: `AA:BB:...`.
    pub fn fingerprint(&self, digest: &str) -> String {
        let arguments = ["x509", "-noout", "-fingerprint", &format!("-{digest}"), "-in"];
        let said = Command::new("openssl").args(arguments).arg(&self.certificate).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        said.trim().split_once('=').unwrap().1.to_owned()
    }

    pub fn pin(&self) -> Thumbprint {
        Thumbprint::parse(&self.fingerprint("sha256")).unwrap()
    }
}

fn openssl(directory: &TempDir, arguments: &str) {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}
