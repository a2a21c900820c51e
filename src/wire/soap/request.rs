//! Requests to vCenter as SOAP 1.1 envelopes. Texts are escaped here, so that no name can become markup.

use std::borrow::Cow;
use std::fmt::Write;

use super::xml::escaped;

/// A managed object by type and id, as `VirtualMachine` and `vm-57`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// Its type.
    pub kind: Cow<'static, str>,
    /// Its id.
    pub id: String,
}

impl Ref {
    /// An object of one of the types that are known here.
    pub fn new(kind: &'static str, id: impl Into<String>) -> Self {
        Self { kind: Cow::Borrowed(kind), id: id.into() }
    }
}

/// One call of vCenter's. It is not `Debug`: one of them holds a password.
pub struct Request {
    /// The method's name.
    pub method: &'static str,
    /// The envelope.
    pub body: String,
}

/// What of which objects is read.
pub struct Wanted<'w> {
    /// The type of all the objects.
    pub kind: &'static str,
    /// Their ids.
    pub ids: &'w [&'w str],
    /// The properties.
    pub properties: &'static [&'static str],
}

/// The root of everything: which managers there are, and which version speaks.
pub fn service_content() -> Request {
    request("RetrieveServiceContent", &Ref::new("ServiceInstance", "ServiceInstance"), "")
}

/// Begins a session; its cookie comes with the answer.
pub fn login(session_manager: &Ref, user: &str, password: &str) -> Request {
    let rest = format!("<userName>{}</userName><password>{}</password>", escaped(user), escaped(password));
    request("Login", session_manager, &rest)
}

/// Ends the session.
pub fn logout(session_manager: &Ref) -> Request {
    request("Logout", session_manager, "")
}

/// Asks for the time, so that the session does not end for idleness.
pub fn current_time() -> Request {
    request("CurrentTime", &Ref::new("ServiceInstance", "ServiceInstance"), "")
}

/// The object at an inventory path; a slash at its beginning is not VMware's.
pub fn find_by_inventory_path(search_index: &Ref, path: &str) -> Request {
    let path = escaped(path.trim_start_matches('/'));
    request("FindByInventoryPath", search_index, &format!("<inventoryPath>{path}</inventoryPath>"))
}

/// Properties of objects; one filter for each kind of wish.
pub fn retrieve_properties(collector: &Ref, wishes: &[Wanted<'_>]) -> Request {
    let mut rest = String::new();
    for wish in wishes.iter().filter(|wish| !wish.ids.is_empty()) {
        rest.push_str("<specSet><propSet>");
        _ = write!(rest, "<type>{}</type>", wish.kind);
        for property in wish.properties {
            _ = write!(rest, "<pathSet>{property}</pathSet>");
        }
        rest.push_str("</propSet>");
        for id in wish.ids {
            _ = write!(rest, "<objectSet><obj type=\"{}\">{}</obj></objectSet>", wish.kind, escaped(id));
        }
        rest.push_str("</specSet>");
    }
    rest.push_str("<options/>");
    request("RetrievePropertiesEx", collector, &rest)
}

/// The rest of an answer that came in parts.
pub fn continue_properties(collector: &Ref, token: &str) -> Request {
    request("ContinueRetrievePropertiesEx", collector, &format!("<token>{}</token>", escaped(token)))
}

/// The areas of a disk from an offset on: what changed since a change id, or with `*` what is allocated.
pub fn changed_disk_areas(vm: &Ref, snapshot: Option<&Ref>, key: i64, offset: u64, since: &str) -> Request {
    let mut rest = String::new();
    if let Some(snapshot) = snapshot {
        _ = write!(rest, "<snapshot type=\"{}\">{}</snapshot>", escaped(&snapshot.kind), escaped(&snapshot.id));
    }
    let since = escaped(since);
    _ = write!(rest, "<deviceKey>{key}</deviceKey><startOffset>{offset}</startOffset><changeId>{since}</changeId>");
    request("QueryChangedDiskAreas", vm, &rest)
}

fn request(method: &'static str, this: &Ref, rest: &str) -> Request {
    let (kind, id) = (escaped(&this.kind), escaped(&this.id));
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"><Body><{method} xmlns=\"urn:vim25\">\
         <_this type=\"{kind}\">{id}</_this>{rest}</{method}></Body></Envelope>"
    );
    Request { method, body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::soap::xml::parse;

    #[test]
    fn no_name_becomes_markup() {
        let path = "/DC0/vm/a<b>&\"'</inventoryPath>";
        let request = find_by_inventory_path(&Ref::new("SearchIndex", "SearchIndex"), path);
        let root = parse(request.body.as_bytes()).expect("well-formed");
        let call = root.descendant(&["Body", "FindByInventoryPath"]).expect("the call");
        assert_eq!(call.text_of("inventoryPath"), Some(&path[1..]));
        assert_eq!(call.child("_this").map(|this| (&*this.kind, &*this.text)), Some(("SearchIndex", "SearchIndex")));

        let request = login(&Ref::new("SessionManager", "SessionManager"), "DOM\\user", "p<&>\"ss");
        let root = parse(request.body.as_bytes()).expect("well-formed");
        assert_eq!(root.descendant(&["Body", "Login"]).and_then(|call| call.text_of("password")), Some("p<&>\"ss"));
    }

    #[test]
    fn the_areas_of_a_snapshot_are_asked_for_with_all_four_values() {
        let (vm, snapshot) = (Ref::new("VirtualMachine", "vm-57"), Ref::new("VirtualMachineSnapshot", "snapshot-3"));
        let request = changed_disk_areas(&vm, Some(&snapshot), 2000, 1 << 46, "52 de/81");
        let root = parse(request.body.as_bytes()).expect("well-formed");
        let call = root.descendant(&["Body", "QueryChangedDiskAreas"]).expect("the call");
        assert_eq!(call.number_of::<u64>("startOffset"), Some(1 << 46));
        let named: Vec<&str> = call.children.iter().map(|child| child.name).collect();
        assert_eq!(named, ["_this", "snapshot", "deviceKey", "startOffset", "changeId"], "VMware wants this order");
        let without = changed_disk_areas(&vm, None, 2000, 0, "*");
        assert!(!without.body.contains("<snapshot"));
    }
}
