//! Two hosts with a network between them that can be made bad. Goal: what a firewall, a bad line or a new address does
//! to the link happens here by the kernel's own means. Method: a namespace for each host, joined by a veth pair; rules
//! let port 443 through in one direction only, and a table of faults comes before them. All of it ends with the test.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::{Daemon, SOON, Site, WAYBILL, until};
use crate::http::Answer;
use crate::plant::{At, Calls, Dials, Places, Plant};

const OMA: &str = "10.99.0.1";
const VMA: &str = "10.99.0.2";
const VMA_LATER: &str = "10.99.0.3";
const VMA_NAME: &str = "vma.example";

/// What is the matter with the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Of 100 packets in either direction 30 are lost.
    Loss,
    /// Whatever comes to port 443 is answered with a reset.
    Reset,
    /// Nothing arrives.
    Partition,
    /// Nothing arrives at the OMA.
    DeafOma,
    /// Nothing arrives at the VMA.
    DeafVma,
}

/// Two hosts and both configurations.
pub struct Strait {
    pub plant: Plant,
    pub dials: Dials,
    pub network: Network,
}

/// The two namespaces and what is between them; they go when this is dropped.
pub struct Network {
    vma: String,
    oma: String,
}

impl Network {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let name = |role: &str| format!("waybill-{process}-{number}-{role}");
        Self { vma: name("vma"), oma: name("oma") }
    }
    fn of(&self, role: &str) -> &str {
        if role == "vma" { &self.vma } else { &self.oma }
    }

    /// What may come in and go out; all else is dropped.
    fn guard(&self, role: &str, incoming: &str, outgoing: &str) {
        let chain = |hook: &str, interface: &str, allowed: &str| {
            format!(
                "chain {hook} {{\n  type filter hook {hook} priority 0; policy drop;\n  {interface} lo accept\n  \
                 {allowed} accept\n}}\n"
            )
        };
        let chains = chain("input", "iifname", incoming) + &chain("output", "oifname", outgoing);
        self.nft(role, &format!("table inet guard {{\n{chains}}}\n"));
    }

    /// From now on this is the matter, and nothing else.
    pub fn suffer(&self, fault: Fault) {
        const NO: [&str; 2] = ["", ""];
        let some = ["iifname strait numgen random mod 100 < 30 drop", ""];
        let all = ["iifname strait drop", ""];
        let refused = ["", "iifname strait tcp dport 443 reject with tcp reset"];
        let (at_vma, at_oma) = match fault {
            Fault::Loss => (some, some),
            Fault::Reset => (refused, refused),
            Fault::Partition => (all, all),
            Fault::DeafOma => (NO, all),
            Fault::DeafVma => (all, NO),
        };
        for (role, [first, last]) in [("vma", at_vma), ("oma", at_oma)] {
            // What is lost is lost before the kernel knows of what connection it is.
            let text = format!(
                "table inet fault {{}}\ndelete table inet fault\ntable inet fault {{\n  \
                 chain first {{ type filter hook prerouting priority -400; {first}; }}\n  \
                 chain last {{ type filter hook input priority -10; {last}; }}\n}}\n"
            );
            self.nft(role, &text);
        }
    }
    /// Nothing is the matter any more.
    pub fn heal(&self) {
        for role in ["vma", "oma"] {
            self.nft(role, "table inet fault {}\ndelete table inet fault\n");
        }
    }
    fn nft(&self, role: &str, text: &str) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.of(role), "nft", "-f", "-"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "nft: {}\n{text}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.vma, &self.oma] {
            // One that could not be made is not there.
            let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
        }
    }
}

impl Strait {
    /// Two hosts of which one may open connections to port 443 of the other, and nothing else passes.
    pub fn new(dials: Dials) -> Self {
        assert!(rustix::process::geteuid().is_root(), "network namespaces need root: run this test as root");
        let network = Network::new();
        for name in [&network.vma, &network.oma] {
            run("ip", &["netns", "add", name]);
        }
        let pair = ["link", "add", "name", "strait", "type", "veth", "peer", "name", "strait", "netns", &network.oma];
        run("ip", &[&["-n", &network.vma], &pair[..]].concat());
        for (name, address) in [(&network.vma, VMA), (&network.oma, OMA)] {
            run("ip", &["-n", name, "addr", "add", &format!("{address}/24"), "dev", "strait"]);
            run("ip", &["-n", name, "link", "set", "lo", "up"]);
            run("ip", &["-n", name, "link", "set", "strait", "up"]);
        }
        let at = |place: &str| place.parse::<SocketAddr>().unwrap();
        let plant = Plant::at(
            Site::fast(),
            Places {
                movers: at("127.0.0.1:8081"),
                spool: at("127.0.0.1:8083"),
                oma: at("127.0.0.1:8082"),
                vma_tls: at("0.0.0.0:443"),
                oma_tls: at("0.0.0.0:443"),
            },
        );
        let strait = Self { plant, dials, network };
        strait.resolve(VMA);
        let (dialler, listener) = match dials {
            Dials::Vma => ("vma", "oma"),
            Dials::Oma => ("oma", "vma"),
        };
        strait.network.guard(
            dialler,
            "tcp sport 443 ct state established,related",
            "tcp dport 443 ct state new,established",
        );
        // A reset by a rule is related to the connection, for the kernel.
        let opening = "tcp dport 443 ct state new tcp flags & (fin | syn | rst | ack) == syn accept\n  tcp dport 443 \
                       ct state established";
        strait.network.guard(listener, opening, "tcp sport 443 ct state established,related");
        match dials {
            Dials::Vma => strait.plant.tunnel(&format!("{OMA}:443"), None),
            Dials::Oma => strait.plant.direct(&format!("{VMA_NAME}:443"), None),
        }
        strait
    }

    /// The VMA has another address from now on, and its name says so.
    pub fn move_vma(&self) {
        let address = |verb: &str, address: &str| {
            run("ip", &["-n", &self.network.vma, "addr", verb, &format!("{address}/24"), "dev", "strait"]);
        };
        address("del", VMA);
        address("add", VMA_LATER);
        self.resolve(VMA_LATER);
    }
    fn resolve(&self, vma: &str) {
        // In place, because the file is mounted where the OMA looks.
        fs::write(self.plant.site.path("hosts"), format!("127.0.0.1 localhost\n{vma} {VMA_NAME}\n")).unwrap();
    }

    /// Starts one of the two in its namespace and waits until it answers there.
    pub fn start_one(&self, role: &'static str) -> Daemon {
        let script = "mount --bind \"$0\" /etc/hosts && exec ip netns exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(self.plant.site.path("hosts")).arg(self.network.of(role));
        command.args([WAYBILL, role, "--config"]).arg(self.plant.site.path(&format!("{role}.toml")));
        command.stdin(Stdio::null()).env_remove("RUST_LOG").env_remove("WAYBILL_DB");
        let mut daemon = Daemon::launch(&self.plant.site, role, command);
        let at = if role == "vma" { At::Movers } else { At::Oma };
        until("the daemon is ready", SOON, || {
            assert!(daemon.is_running(), "{role} has ended:\n{}", daemon.log());
            self.try_call(at, "GET", "/health", "").is_ok().then_some(())
        });
        daemon
    }
    /// Starts both.
    pub fn start(&self) -> (Daemon, Daemon) {
        (self.start_one("vma"), self.start_one("oma"))
    }

    /// The exit code of `curl` from one host to a port of the other: 28 where nothing came back.
    pub fn knock(&self, from: &str, port: u16) -> Option<i32> {
        let target = if from == "vma" { OMA } else { VMA };
        let url = format!("http://{target}:{port}/");
        self.within(from, &["curl", "--noproxy", "*", "-sS", "--connect-timeout", "1", &url]).status.code()
    }

    fn try_call(&self, at: At, method: &str, target: &str, body: &str) -> Result<Answer, String> {
        let (role, place) = match at {
            At::Movers => ("vma", self.plant.places.movers),
            At::Spool => ("vma", self.plant.places.spool),
            At::Oma => ("oma", self.plant.places.oma),
        };
        let url = format!("http://{place}{target}");
        let mut arguments =
            vec!["curl", "--noproxy", "*", "-sS", "--max-time", "8", "-w", "\n%{http_code}", "-X", method];
        if !body.is_empty() {
            arguments.extend(["-H", "Content-Type: application/json", "--data-binary", body]);
        }
        arguments.push(&url);
        let output = self.within(role, &arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        match said.rsplit_once('\n') {
            Some((body, status)) if output.status.success() => Ok(Answer {
                status: status.parse().unwrap(),
                content_type: "application/json".to_owned(),
                body: body.to_owned(),
            }),
            _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
    fn within(&self, role: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.network.of(role)]).args(arguments);
        command.stdin(Stdio::null()).output().unwrap()
    }
}

impl Calls for Strait {
    fn site(&self) -> &Site {
        &self.plant.site
    }
    fn call(&self, at: At, method: &str, target: &str, body: &str) -> Answer {
        let called = self.try_call(at, method, target, body);
        called.unwrap_or_else(|error| panic!("{at:?} {method} {target}: {error}"))
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
