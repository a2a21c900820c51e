//! Keeps the VMA's certificate valid: asks the OMA over the link for a new one when a third of its time is
//! left, and warns where that does not help. A certificate of another authority is only watched.

use std::time::Duration;

use async_io::Timer;
use smol::channel::Sender;

use super::event::Event;
use crate::config::TlsFiles;
use crate::limits;
use crate::net::berth::Berth;
use crate::net::client::Client;
use crate::net::tls::{Facts, Own};
use crate::pki::{files, request};
use crate::policy::renewal;
use crate::runtime::clock::Clock;
use crate::runtime::secrets;
use crate::wire::enrolment::{self, EnrolDoc};
use crate::wire::http::Method;
use crate::wire::peer::Peer;
use crate::wire::problem;

/// The longest pause between two looks at the certificate, which an operator may have replaced.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const WARN_EVERY: Duration = Duration::from_secs(86_400);
/// How long the OMA may take to sign.
const SIGNED_WITHIN: Duration = Duration::from_secs(20);

/// Watches the certificate until the future is dropped.
pub(super) async fn keep_valid(files: TlsFiles, link: Berth, events: Sender<Event>) {
    let clock = Clock::start();
    let client = Client::over_link(link, SIGNED_WITHIN);
    let mut warn_at = clock.now().mono;
    // Clocks of the two appliances may differ by more than a certificate's time: no renewal follows another at once.
    let mut rest_until = warn_at;
    loop {
        let now = clock.now();
        let seconds = now.wall.unix_millis().div_euclid(1000);
        // A file that cannot be read is told by those who need it.
        let Ok(facts) = secrets::read_public(&files.certificate, limits::AUTHORITY_BYTES)
            .and_then(|pem| Own::first(&pem).map_err(|error| error.to_string()))
        else {
            Timer::after(LOOK_EVERY).await;
            continue;
        };
        let is_ours = matches!(facts.peer, Some(Peer::Vma(_)));
        let due = renewal::renew_at(facts.not_before, facts.not_after);
        let mut pause = match u64::try_from(due - seconds) {
            Ok(left @ 1..) => Duration::from_secs(left),
            _ if is_ours => rest_until.since(now.mono),
            _ => LOOK_EVERY,
        };
        if is_ours && due <= seconds && rest_until <= now.mono {
            match renew(&client, &files, &facts).await {
                Ok(renewed) => {
                    let until = Facts::text_of(renewed.not_after);
                    log::info!("the certificate of this VMA was renewed, until {until}");
                    let time = u64::try_from(renewed.not_after - renewed.not_before).unwrap_or(0);
                    rest_until = now.mono + Duration::from_secs(time / 3);
                    // Closed where the daemon ends.
                    events.send(Event::Renewed).await.ok();
                    pause = Duration::from_secs(1);
                }
                Err(why) => {
                    log::warn!("the certificate of this VMA could not be renewed: {why}");
                    pause = renewal::retry_after(seconds, facts.not_after);
                }
            }
        }
        let warning = renewal::warning(seconds, facts.not_before, facts.not_after, is_ours);
        if let Some(warning) = warning.filter(|_| warn_at <= now.mono) {
            warn_at = now.mono + WARN_EVERY;
            let message = format!("the certificate of this VMA, {}, {warning}", files.certificate.display());
            events.send(Event::CertificateExpires(message)).await.ok();
        }
        Timer::after(pause.clamp(Duration::from_millis(500), LOOK_EVERY)).await;
    }
}

async fn renew(client: &Client, files: &TlsFiles, old: &Facts) -> Result<Facts, String> {
    let made = request::make()?;
    let asked = EnrolDoc { token: String::new(), secret: String::new(), request: made.request };
    let body = enrolment::render_request(&asked);
    let answer = client.call(Method::Post, "/api/v1/pki/renew", &[], body.as_bytes()).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status != 200 {
        return Err(problem::said(&answer.body));
    }
    let issued = enrolment::parse_issued(&answer.body).map_err(|bad| bad.to_string())?;
    let own = Own::read(issued.certificate.as_bytes(), made.key.as_bytes()).map_err(|error| error.to_string())?;
    if own.facts.peer != old.peer {
        return Err("the OMA signed for somebody else".to_owned());
    }
    own.is_issued_by(issued.authority.as_bytes()).map_err(|error| error.to_string())?;
    files::put_all(files, &issued.certificate, &made.key, None)?;
    Ok(own.facts)
}
