//! The session with vCenter: trust and secrets are read when it begins, so that they may be changed meanwhile; where
//! vCenter has ended it, it begins anew once and the call is repeated once.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use smol::lock::Mutex;

use crate::config::VcenterConfig;
use crate::limits;
use crate::model::vmware::{Fault, FaultKind};
use crate::net::client::{Answer, CallError, Client};
use crate::net::tls::Trust;
use crate::runtime::secrets;
use crate::wire::http::Method;
use crate::wire::soap::Element;
use crate::wire::soap::answer::{self, ServiceContent, broken, with_answer};
use crate::wire::soap::request::{self, Request};

/// How long one call may take: vCenter reads the change tracking files of a large disk for each page.
const CALL_WITHIN: Duration = Duration::from_secs(60);
/// The version in which every vCenter is first asked which one it speaks.
const FIRST_VERSION: &str = "5.5";
const COOKIE: &str = "vmware_soap_session";

/// A vCenter or ESXi host, and the session with it.
pub struct Vcenter {
    config: VcenterConfig,
    session: Mutex<Option<Rc<Session>>>,
    /// Why no login is tried: it was refused, or this vCenter is given up.
    closed: RefCell<Option<Fault>>,
}

/// What goes with every call of a session.
struct Session {
    client: Client,
    content: ServiceContent,
    cookie: String,
}

impl fmt::Debug for Vcenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vcenter").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Vcenter {
    /// No connection is made before the first call.
    pub fn new(config: VcenterConfig) -> Self {
        Self { config, session: Mutex::new(None), closed: RefCell::new(None) }
    }

    /// Makes a call within the session and reads its answer; begins the session where there is none.
    pub(super) async fn call<T>(
        &self,
        ask: impl Fn(&ServiceContent) -> Request,
        read: impl Fn(&Element<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let session = self.session().await?;
        match self.call_in(&session, &ask(&session.content), &read).await {
            Err(fault) if fault.kind == FaultKind::NotAuthenticated => {
                self.forget(&session).await;
                let session = self.session().await?;
                self.call_in(&session, &ask(&session.content), &read).await
            }
            done => done,
        }
    }

    /// A login that was refused may be tried once more.
    pub fn forgive(&self) {
        self.closed.replace(None);
    }

    /// No session begins here any more: another configuration has taken the place of this one.
    pub fn close(&self) {
        let message = "the configuration of vCenter was replaced meanwhile".to_owned();
        self.closed.replace(Some(Fault { kind: FaultKind::Unreachable, message }));
    }

    /// Keeps an idle session from ending (vCenter ends it after 30 minutes); does nothing where there is none.
    ///
    /// # Errors
    /// As any call.
    pub async fn keep_alive(&self) -> Result<(), Fault> {
        if self.session.lock().await.is_none() {
            return Ok(());
        }
        self.call(|_| request::current_time(), |_| Ok(())).await
    }

    /// Ends the session, where there is one; the next call begins another.
    pub async fn log_out(&self) {
        let ended = self.session.lock().await.take();
        if let Some(session) = ended {
            let request = request::logout(&session.content.session_manager);
            // Where that fails vCenter ends it by itself.
            if let Err(fault) = self.call_in(&session, &request, &|_| Ok(())).await {
                log::debug!("vCenter: {fault}");
            }
        }
    }

    /// The present session. Whoever comes while one begins waits for that one.
    async fn session(&self) -> Result<Rc<Session>, Fault> {
        let mut session = self.session.lock().await;
        if let Some(session) = &*session {
            return Ok(Rc::clone(session));
        }
        // Who waited while a login was refused does not repeat it: a few of them lock an account.
        if let Some(fault) = self.closed.borrow().clone() {
            return Err(fault);
        }
        match self.log_in().await {
            Ok(begun) => Ok(Rc::clone(session.insert(Rc::new(begun)))),
            Err(fault) => {
                if fault.kind == FaultKind::LoginRefused {
                    self.closed.replace(Some(fault.clone()));
                }
                Err(fault)
            }
        }
    }

    async fn forget(&self, ended: &Rc<Session>) {
        let mut session = self.session.lock().await;
        // Another call may have begun a new one already.
        if session.as_ref().is_some_and(|present| Rc::ptr_eq(present, ended)) {
            *session = None;
        }
    }

    async fn log_in(&self) -> Result<Session, Fault> {
        let unusable = |message: String| Fault { kind: FaultKind::Secrets, message };
        let authority = match &self.config.ca_file {
            Some(file) => Some(
                secrets::read_public(file, limits::AUTHORITY_BYTES)
                    .map_err(|why| unusable(format!("ca_file: {why}")))?,
            ),
            None => None,
        };
        let trust = Trust::new(authority.as_deref(), self.config.thumbprint);
        let trust = trust.map_err(|error| unusable(format!("ca_file cannot be used: {error}")))?;
        let secret = |file: &Option<std::path::PathBuf>, name| {
            secrets::read(file.as_deref(), name).map_err(|error| unusable(error.to_string()))
        };
        let user = secret(&self.config.username_file, "vcenter-username")?;
        let password = secret(&self.config.password_file, "vcenter-password")?;
        let client = Client::over_tls(self.config.origin.clone(), trust, CALL_WITHIN);
        let answer = self.send(&client, FIRST_VERSION, None, &request::service_content()).await?;
        let content = with_answer("RetrieveServiceContent", answer.status, &answer.body, answer::service_content)?;
        let cookie_before = cookie_of(&answer);
        let login = request::login(&content.session_manager, user.expose(), password.expose());
        let answer = self.send_once(&client, &content.api_version, cookie_before.as_deref(), &login).await?;
        with_answer("Login", answer.status, &answer.body, |_| Ok(()))?;
        let cookie = cookie_of(&answer).or(cookie_before).ok_or_else(|| broken("Login", "no session cookie"))?;
        Ok(Session { client, content, cookie })
    }

    async fn call_in<T>(
        &self,
        session: &Session,
        request: &Request,
        read: &impl Fn(&Element<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let version = &session.content.api_version;
        let answer = self.send(&session.client, version, Some(&session.cookie), request).await?;
        with_answer(request.method, answer.status, &answer.body, read)
    }

    async fn send(
        &self,
        client: &Client,
        version: &str,
        cookie: Option<&str>,
        request: &Request,
    ) -> Result<Answer, Fault> {
        let action = action(version);
        let (headers, body) = (headers(&action, cookie), request.body.as_bytes());
        let answer = client.ask_by_post(&self.config.path, &headers, body).await;
        answer.map_err(|error| self.unanswered(request.method, &error))
    }

    /// As [`Vcenter::send`], of what must not be repeated by itself.
    async fn send_once(
        &self,
        client: &Client,
        version: &str,
        cookie: Option<&str>,
        request: &Request,
    ) -> Result<Answer, Fault> {
        let action = action(version);
        let (headers, body) = (headers(&action, cookie), request.body.as_bytes());
        let answer = client.call(Method::Post, &self.config.path, &headers, body).await;
        answer.map_err(|error| self.unanswered(request.method, &error))
    }

    fn unanswered(&self, method: &str, error: &CallError) -> Fault {
        let kind = if error.is_untrusted { FaultKind::Untrusted } else { FaultKind::Unreachable };
        Fault { kind, message: format!("vCenter {} did not answer {method}: {error}", self.config.origin.authority()) }
    }
}

fn action(version: &str) -> String {
    format!("\"urn:vim25/{version}\"")
}

fn headers<'h>(action: &'h str, cookie: Option<&'h str>) -> Vec<(&'static str, &'h str)> {
    let always = [("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", action)];
    always.into_iter().chain(cookie.map(|cookie| ("Cookie", cookie))).collect()
}

/// `vmware_soap_session="..."` out of an answer's cookies, as it goes back.
fn cookie_of(answer: &Answer) -> Option<String> {
    let pairs = answer.cookies.iter().filter_map(|cookie| cookie.split(';').next()).map(str::trim);
    let mut found =
        pairs.filter(|pair| pair.split_once('=').is_some_and(|(name, value)| name == COOKIE && !value.is_empty()));
    found.next().map(str::to_owned)
}
