//! What the two files say, typed. Whoever holds one of these holds a configuration that was checked.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::id::VmaName;
use crate::model::percent::Percent;
use crate::wire::origin::Origin;
use crate::wire::proxy::Proxy;
use crate::wire::thumbprint::Thumbprint;

/// `vma.toml`: the source appliance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmaConfig {
    /// What the OMA calls this appliance.
    pub name: VmaName,
    /// The SQLite file, an absolute path.
    pub database: PathBuf,
    /// Where movers push, and an OMA polls that comes by a forward; a loopback address.
    pub listen: SocketAddr,
    /// `[tls]`: where the OMA dials; without it nobody does.
    pub tls: Option<TlsListener>,
    /// `[tunnel]`: the OMA that this VMA dials; without it nobody is dialled.
    pub tunnel: Option<TunnelConfig>,
    /// True where the first push of an undeclared job starts it.
    pub auto_initialize: bool,
    /// How long a finished job is answered for.
    pub keep_finished: Duration,
    /// How long after a mover's own `failed` its silence ends the job.
    pub failed_grace: Duration,
    /// `[changeid_spool]`; without it nobody on this machine answers the movers' change-id calls.
    pub changeid_spool: Option<SpoolConfig>,
    /// `[vcenter]`; without it totals come from movers and declarations.
    pub vcenter: Option<VcenterConfig>,
}

/// `[vcenter]`: who tells how much there is to copy. The files are read when a session begins, not before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VcenterConfig {
    /// Where vCenter or an ESXi host answers.
    pub origin: Origin,
    /// The path of its SOAP service, `/sdk`.
    pub path: String,
    /// The user's name; `None`: the systemd credential `vcenter-username`.
    pub username_file: Option<PathBuf>,
    /// The password; `None`: the systemd credential `vcenter-password`.
    pub password_file: Option<PathBuf>,
    /// The authority that certified it, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Its certificate; one of this and `ca_file` is there at least, and what is there must hold.
    pub thumbprint: Option<Thumbprint>,
}

/// `[changeid_spool]`: the movers' change-id calls on the VMA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Where movers hand their change ids over and ask for them; a loopback address.
    pub listen: SocketAddr,
    /// The way to the OMA, to which all is forwarded.
    pub oma: SpoolWay,
}

/// How the spool reaches the OMA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpoolWay {
    /// Its API answers at a forward on this machine.
    Forward(Origin),
    /// Over the link, whichever of the two has dialled.
    Link,
}

impl VmaConfig {
    /// The files of the certificates that this appliance shows.
    pub fn shown(&self) -> impl Iterator<Item = &TlsFiles> {
        let of_tunnel = self.tunnel.as_ref().map(|tunnel| &tunnel.files);
        of_tunnel.into_iter().chain(self.tls.as_ref().map(|listener| &listener.files))
    }

    /// The OMA that the spool forwards to, in words: what it said is remembered under this name.
    pub fn oma_of_spool(&self) -> Option<String> {
        Some(match (&self.changeid_spool.as_ref()?.oma, &self.tunnel) {
            (SpoolWay::Forward(origin), _) => origin.authority(),
            (SpoolWay::Link, Some(tunnel)) => tunnel.oma.authority(),
            (SpoolWay::Link, None) => "the OMA that dials".to_owned(),
        })
    }
}

/// A certificate, its key, and the authority that is believed; PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority of the other side.
    pub authority: PathBuf,
}

/// `[tls]`: a listener that serves whoever proves to be somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsListener {
    /// Where.
    pub listen: SocketAddr,
    /// Who we are, and whom we believe.
    pub files: TlsFiles,
    /// True where TLS 1.2 is spoken besides 1.3.
    pub allow_tls12: bool,
    /// On a VMA, the OMA's DNS name, where its certificate is not of waybill's own authority and says nothing else.
    pub client_name: Option<String>,
}

/// `[tunnel]`: the OMA that a VMA dials (R-60 c).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelConfig {
    /// Where it listens.
    pub oma: Origin,
    /// Who we are, and whom we believe.
    pub files: TlsFiles,
    /// The proxy on the way.
    pub proxy: Option<ProxyConfig>,
}

/// `[pki]`: the built-in authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PkiConfig {
    /// Where its certificate and key lie.
    pub folder: PathBuf,
    /// How long what it issues is valid.
    pub valid_for: Duration,
}

/// A proxy, and who we are to it (R-60 b).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Where it stands.
    pub address: Proxy,
    /// The files with the user's name and the password; both are read at each dial.
    pub credentials: Option<(PathBuf, PathBuf)>,
}

/// `oma.toml`: the target appliance.
#[derive(Debug, Clone, PartialEq)]
pub struct OmaConfig {
    /// The SQLite file, an absolute path.
    pub database: PathBuf,
    /// API and `/health`; a loopback address.
    pub listen: SocketAddr,
    /// True where every job that a VMA lists is tracked.
    pub discover: bool,
    /// `[tls]`: port 443, for tunnels and API; without it nobody reaches this OMA from another machine.
    pub tls: Option<TlsListener>,
    /// `[pki]`: the authority; without it nobody is enrolled here.
    pub pki: Option<PkiConfig>,
    /// `[poll]`.
    pub poll: PollRules,
    /// `[throttle]`.
    pub throttle: ThrottleRules,
    /// `[[vma]]`, in the file's order; names are unique. May be empty: a fresh installation knows no VMA.
    pub vmas: Vec<VmaEntry>,
}

impl OmaConfig {
    /// The files of the certificates that this appliance shows.
    pub fn shown(&self) -> impl Iterator<Item = &TlsFiles> {
        let of_dialled = self.vmas.iter().filter_map(|vma| vma.way.files());
        self.tls.as_ref().map(|listener| &listener.files).into_iter().chain(of_dialled)
    }
}

/// `[poll]`: how often a job is asked for, and when its silence means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollRules {
    /// From one poll of a job to the next.
    pub interval: Duration,
    /// Limit of one request.
    pub timeout: Duration,
    /// Failures in a row after which polls become fewer.
    pub failures_before_backoff: u32,
    /// The longest pause between two polls of a silent job.
    pub backoff_max: Duration,
    /// Without contact for this long a job fails.
    pub contact_lost_after: Duration,
    /// A job that has not started to run for this long fails.
    pub queued_timeout: Duration,
    /// Without a word from the mover for this long a streaming job is stalled.
    pub stall_after: Duration,
    /// What a stall does to the job.
    pub on_stall: OnStall,
}

/// What a stall does to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStall {
    /// It is marked, logged and measured.
    Warn,
    /// It fails.
    Fail,
}

/// `[throttle]`: which progress is worth a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleRules {
    /// Progress that is written at once, in percentage points.
    pub min_percent: Percent,
    /// Any other difference is written after this long.
    pub min_interval: Duration,
    /// `last_contact_at` is refreshed no more often than this.
    pub contact_refresh: Duration,
}

/// One `[[vma]]` of the OMA's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmaEntry {
    /// The name that jobs refer to.
    pub name: VmaName,
    /// The way to it.
    pub way: VmaWay,
}

/// How the OMA reaches a VMA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmaWay {
    /// The near end of an stunnel or SSH forward, on this machine.
    Forward(Origin),
    /// The OMA dials it.
    Direct {
        /// Where it listens.
        origin: Origin,
        /// Who we are, and whom we believe.
        files: TlsFiles,
        /// The proxy on the way.
        proxy: Option<ProxyConfig>,
    },
    /// It dials the OMA.
    Tunnel,
}

impl VmaWay {
    /// The files of the certificate that is shown on this way.
    pub fn files(&self) -> Option<&TlsFiles> {
        match self {
            Self::Direct { files, .. } => Some(files),
            Self::Forward(_) | Self::Tunnel => None,
        }
    }
}

/// Which appliance a file configures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The source appliance.
    Vma,
    /// The target appliance.
    Oma,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vma => "VMA",
            Self::Oma => "OMA",
        })
    }
}
