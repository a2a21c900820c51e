//! The side that dials: keeps a link up for as long as the future lives.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_rustls::client::TlsStream;
use smol::future;

use super::credentials::{Credentials, Wanted};
use super::port::News;
use super::streams::{Carrier, expires, gives_way};
use crate::config::{ProxyConfig, TlsFiles};
use crate::model::peer::{Caller, Peer};
use crate::model::pki::Validity;
use crate::net::berth::Berth;
use crate::net::client::{CallError, Phase};
use crate::net::dial::{Via, dial};
use crate::net::fair::Fair;
use crate::net::session::{Session, Side};
use crate::net::tls::{Expected, Facts, Trust};
use crate::policy::redial::Redial;
use crate::runtime::clock::Clock;
use crate::runtime::secrets;
use crate::wire::origin::Origin;

/// How long a dial may take, handshakes included.
const DIAL_WITHIN: Duration = Duration::from_secs(10);

/// Whom to dial, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub origin: Origin,
    /// Who we are, and whom we believe.
    pub files: TlsFiles,
    /// The proxy on the way.
    pub proxy: Option<ProxyConfig>,
    /// Who has to answer.
    pub expected: Expected,
    /// Keys of theirs that are revoked.
    pub revoked: BTreeSet<[u8; 32]>,
}

impl Target {
    fn peer(&self) -> Peer {
        match &self.expected {
            Expected::Oma => Peer::Oma,
            Expected::Vma(name) => Peer::Vma(name.clone()),
        }
    }
}

/// Dials, carries the link while it stands, and dials again, until the future is dropped. Questions of the other side go
/// to `answers`; the session lies in `berth`.
pub async fn keep_up(carrier: Carrier, target: Target, berth: Berth, news: impl Fn(News), seed: u64) {
    let (clock, mut redial) = (Clock::start(), Redial::new(seed));
    let peer = target.peer();
    // The last failures that were told: a dead link says the same at every dial, or two things in turn, and the calls that
    // wait tell it too. Another one is news, as where a reset is followed by the alert that it had swallowed.
    let mut told = [String::new(), String::new()];
    let mut papers = Papers::default();
    loop {
        let lived = match open(&target, &mut papers).await {
            Err(error) => {
                let why = format!("{} is not reached: {error}", target.origin.authority());
                tell(&mut told, &berth, why);
                None
            }
            Ok((stream, shown)) => {
                let session = Session::unopened();
                let _ends = Ends { berth: &berth, session: &session };
                let stood = Cell::new(None);
                let accepted = async {
                    if session.is_accepted().await {
                        stood.set(Some(clock.now().mono));
                        told.fill(String::new());
                        berth.put(session.clone());
                        news(News::Up);
                    }
                    future::pending::<String>().await
                };
                let server = server(&stream);
                let key = server.as_ref().map_or([0; 32], |facts| facts.key);
                let caller = Caller::Known(peer.clone(), key);
                let carried = Box::pin(carrier.carry(&session, stream, Side::Dialler, &caller));
                let expired = async {
                    match &server {
                        Some(facts) => expires(facts).await,
                        None => future::pending().await,
                    }
                };
                let leaves = async { future::or(expired, gives_way(shown)).await.to_owned() };
                let why = future::or(accepted, future::or(leaves, carried)).await;
                let why = format!("the link to {} has ended: {why}", target.origin.authority());
                if berth.take_out(&session, &why) {
                    news(News::Down(why));
                } else {
                    tell(&mut told, &berth, why);
                }
                stood.get().map(|since| clock.now().mono.since(since))
            }
        };
        papers.were_refused(lived.is_none());
        Timer::after(redial.wait_after(lived)).await;
    }
}

/// What is shown.
#[derive(Default)]
struct Papers {
    /// What could be used at the last dial.
    last: Option<Credentials>,
    /// The newest pair, where the last one is one that was kept and was refused.
    newest: Option<Credentials>,
    wants_newest: bool,
}

impl Papers {
    fn take_up(&mut self, files: &TlsFiles) -> Result<&Credentials, String> {
        // What is odd about them stands in the log: whoever watches the files has told it.
        let last = self.last.insert(Credentials::read_after(self.last.as_ref(), files)?);
        if self.wants_newest && last.is_kept {
            return Ok(self.newest.insert(Credentials::read(files, Wanted::Newest)?));
        }
        Ok(last)
    }

    /// How a dial has ended. One that comes to nothing may do so because one of the two machines has the wrong time: the
    /// next one shows the other pair, where there are two.
    fn were_refused(&mut self, are_refused: bool) {
        self.wants_newest ^= are_refused;
    }
}

fn tell(told: &mut [String; 2], berth: &Berth, why: String) {
    berth.tell(&why);
    if !told.contains(&why) {
        log::warn!("{why}");
        told.swap(0, 1);
        told[0] = why;
    }
}

/// Ends a session with the dialling: nobody may wait for streams of a link that nobody carries.
struct Ends<'d> {
    berth: &'d Berth,
    session: &'d Session,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let why = "nobody dials this link any more";
        self.session.close(why);
        self.berth.take_out(self.session, why);
    }
}

/// What the server's certificate says, whose key it has proved to have.
fn server(stream: &TlsStream<Fair<Async<TcpStream>>>) -> Option<Facts> {
    Facts::read(stream.get_ref().1.peer_certificates()?.first()?)
}

/// One dial; answers as well when the certificate is valid that was shown.
async fn open(
    target: &Target,
    papers: &mut Papers,
) -> Result<(TlsStream<Fair<Async<TcpStream>>>, Validity), CallError> {
    let phase = Cell::new(Phase::Queue);
    let limit = async {
        Timer::after(DIAL_WITHIN).await;
        Err(CallError::out_of_time(phase.get(), DIAL_WITHIN))
    };
    let opened = async {
        let unusable = |why: String| CallError::new(Phase::Queue, why);
        let credentials = papers.take_up(&target.files).map_err(unusable)?;
        let (expected, revoked) = (target.expected.clone(), target.revoked.clone());
        let trust = Trust::of_link(&credentials.authority, &credentials.own, expected, revoked);
        let trust = trust.map_err(|error| unusable(format!("{}: {error}", target.files.authority.display())))?;
        let via = target.proxy.as_ref().map(via).transpose().map_err(unusable)?;
        let stream = dial(&target.origin, via.as_ref(), &phase).await?;
        phase.set(Phase::Tls);
        let stream = trust.connect(&target.origin.host, Fair::new(stream)).await?;
        Ok((stream, credentials.own.facts.validity))
    };
    future::or(limit, Box::pin(opened)).await
}

/// The proxy with the secrets as they are now.
///
/// # Errors
/// What is wrong with which file.
pub fn via(config: &ProxyConfig) -> Result<Via, String> {
    let read = |file| secrets::read(Some(file), "").map_err(|error| error.to_string());
    let credentials = match &config.credentials {
        Some((user, password)) => Some((read(user)?, read(password)?)),
        None => None,
    };
    Ok(Via { proxy: config.address.clone(), credentials })
}
