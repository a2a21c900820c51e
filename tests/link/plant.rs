//! Two appliances that are to find each other. Goal: a test says who dials and through what. Method: an authority with
//! a certificate for each side, and both configurations written from where the two listen and what is on the way.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::certificates::{Authority, Identity, NOW};
use crate::harness::{Daemon, FAST, Site};
use crate::http::{Answer, Peer};

/// Where things listen on their own side.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// The movers' progress on the VMA.
    pub movers: SocketAddr,
    /// The movers' change ids on the VMA.
    pub spool: SocketAddr,
    /// The OMA's own calls.
    pub oma: SocketAddr,
    /// The VMA's `[tls]`.
    pub vma_tls: SocketAddr,
    /// The OMA's `[tls]`.
    pub oma_tls: SocketAddr,
}

impl Places {
    /// All on one address; nobody needs to be root for the ports.
    fn on(host: IpAddr) -> Self {
        let at = |port| SocketAddr::new(host, port);
        Self { movers: at(8081), spool: at(8083), oma: at(8082), vma_tls: at(8443), oma_tls: at(9443) }
    }
}

/// Which side dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dials {
    Vma,
    Oma,
}

impl Dials {
    pub const BOTH: [Self; 2] = [Self::Vma, Self::Oma];

    /// Where the other side listens.
    pub fn target(self, plant: &Plant) -> SocketAddr {
        match self {
            Self::Vma => plant.places.oma_tls,
            Self::Oma => plant.places.vma_tls,
        }
    }
    /// Writes both configurations; `target` may be somebody on the way.
    pub fn configure(self, plant: &Plant, target: SocketAddr, proxy: Option<&Proxy>) {
        match self {
            Self::Vma => plant.tunnel(&target.to_string(), proxy),
            Self::Oma => plant.direct(&target.to_string(), proxy),
        }
    }
    /// The one of the two that dials.
    pub fn of(self, (vma, oma): &(Daemon, Daemon)) -> &Daemon {
        match self {
            Self::Vma => vma,
            Self::Oma => oma,
        }
    }
}

/// What the one that dials writes about the proxy.
#[derive(Debug, Clone, Default)]
pub struct Proxy {
    /// `http://HOST:PORT` or `socks5://HOST:PORT`.
    pub url: String,
    /// Name and password.
    pub credentials: Option<(&'static str, &'static str)>,
}

/// A site with certificates.
pub struct Plant {
    pub site: Site,
    pub places: Places,
    pub authority: Authority,
    oma: Identity,
    vma: Identity,
    next_port: Cell<u16>,
}

impl Plant {
    /// On a loopback address of its own.
    pub fn new() -> Self {
        let site = Site::fast();
        let host = site.address("vma").ip();
        Self::at(site, Places::on(host))
    }
    /// At these places.
    pub fn at(site: Site, places: Places) -> Self {
        let authority = Authority::new();
        let issue = |names| {
            let identity = authority.issue(names, NOW);
            fs::set_permissions(&identity.key, fs::Permissions::from_mode(0o600)).unwrap();
            identity
        };
        let (oma, vma) = (issue("URI:urn:waybill:oma"), issue("URI:urn:waybill:vma:site-a"));
        fs::write(site.path("ca.pem"), authority.pem()).unwrap();
        Self { site, places, authority, oma, vma, next_port: Cell::new(20_001) }
    }

    /// Gives both sides other certificates.
    pub fn reissue(&mut self, names: &str, times: (&str, &str)) {
        for identity in [&mut self.oma, &mut self.vma] {
            *identity = self.authority.issue(names, times);
            fs::set_permissions(&identity.key, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// A place of the site where nobody listens yet.
    pub fn free_place(&self) -> SocketAddr {
        let port = self.next_port.replace(self.next_port.get() + 1);
        SocketAddr::new(self.places.movers.ip(), port)
    }
    pub fn host(&self) -> IpAddr {
        self.places.movers.ip()
    }
    pub fn authority_file(&self) -> PathBuf {
        self.site.path("ca.pem")
    }
    pub fn files_of(&self, role: &str) -> (&Path, &Path) {
        let identity = if role == "vma" { &self.vma } else { &self.oma };
        (&identity.certificate, &identity.key)
    }

    /// The VMA dials `oma` ("HOST:PORT"), through the proxy where there is one.
    pub fn tunnel(&self, oma: &str, proxy: Option<&Proxy>) {
        self.write_oma(&format!("{}\n[[vma]]\nname = \"site-a\"\ntunnel = true\n", self.door("oma")));
        let files = self.files("vma", "ca_file");
        self.write_vma(&format!("[tunnel]\noma = \"{oma}\"\n{files}{}\n", self.proxy(proxy)), None);
    }
    /// The OMA dials `vma` ("HOST:PORT"), through the proxy where there is one.
    pub fn direct(&self, vma: &str, proxy: Option<&Proxy>) {
        let files = self.files("oma", "ca_file");
        let entry = format!("[[vma]]\nname = \"site-a\"\nurl = \"https://{vma}\"\n{files}{}", self.proxy(proxy));
        self.write_oma(&entry);
        self.write_vma(&self.door("vma"), None);
    }
    /// Each reaches the other by a loopback port that somebody else forwards.
    pub fn forward(&self, vma: SocketAddr, oma: SocketAddr) {
        self.write_oma(&format!("[[vma]]\nname = \"site-a\"\nurl = \"http://{vma}\"\n"));
        self.write_vma("", Some(oma));
    }

    fn write_oma(&self, more: &str) {
        let database = self.site.path("oma.db");
        let head = format!("database = \"{}\"\nlisten = \"{}\"\n", database.display(), self.places.oma);
        fs::write(self.site.path("oma.toml"), head + FAST + more).unwrap();
    }
    fn write_vma(&self, more: &str, forward: Option<SocketAddr>) {
        let (database, places) = (self.site.path("vma.db"), &self.places);
        let mut text =
            format!("name = \"site-a\"\ndatabase = \"{}\"\nlisten = \"{}\"\n", database.display(), places.movers);
        write!(text, "{more}\n[changeid_spool]\nlisten = \"{}\"\n", places.spool).unwrap();
        if let Some(oma) = forward {
            writeln!(text, "oma = \"http://{oma}\"").unwrap();
        }
        fs::write(self.site.path("vma.toml"), text).unwrap();
    }
    fn door(&self, role: &str) -> String {
        let place = if role == "vma" { self.places.vma_tls } else { self.places.oma_tls };
        format!("[tls]\nlisten = \"{place}\"\n{}", self.files(role, "client_ca"))
    }
    fn files(&self, role: &str, authority: &str) -> String {
        let ((certificate, key), authority_file) = (self.files_of(role), self.authority_file());
        let line = |name: &str, path: &Path| format!("{name} = \"{}\"\n", path.display());
        line("certificate", certificate) + &line("key", key) + &line(authority, &authority_file)
    }
    fn proxy(&self, proxy: Option<&Proxy>) -> String {
        let Some(proxy) = proxy else { return String::new() };
        let mut text = format!("proxy = \"{}\"\n", proxy.url);
        if let Some((user, password)) = proxy.credentials {
            self.write_secret("proxy_username_file", user);
            self.write_secret("proxy_password_file", password);
            for key in ["proxy_username_file", "proxy_password_file"] {
                writeln!(text, "{key} = \"{}\"", self.site.path(key).display()).unwrap();
            }
        }
        text
    }
    /// Writes the file that a key about a proxy names.
    pub fn write_secret(&self, key: &str, secret: &str) {
        let file = self.site.path(key);
        fs::write(&file, secret).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Starts both.
    pub fn start(&self) -> (Daemon, Daemon) {
        (self.site.vma(), self.site.oma())
    }
}

/// Who answers a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The VMA's port for the movers' progress.
    Movers,
    /// The VMA's port for their change ids.
    Spool,
    /// The OMA.
    Oma,
}

/// Where calls are made: on loopback, or within a namespace.
pub trait Calls {
    /// The site whose databases tell what has become of them.
    fn site(&self) -> &Site;
    /// One call as it ends.
    fn call(&self, at: At, method: &str, target: &str, body: &str) -> Answer;
}

impl Calls for Plant {
    fn site(&self) -> &Site {
        &self.site
    }
    fn call(&self, at: At, method: &str, target: &str, body: &str) -> Answer {
        let place = match at {
            At::Movers => self.places.movers,
            At::Spool => self.places.spool,
            At::Oma => self.places.oma,
        };
        let called = Peer::new(place).call(method, target, body.as_bytes());
        called.unwrap_or_else(|error| panic!("{at:?} {method} {target}: {error}"))
    }
}
