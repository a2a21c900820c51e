//! XML as a tree that borrows from the bytes it was read from, bounded in depth and in elements.
//!
//! Only what SOAP 1.1 needs is understood (its section 3): no document type, no entity but the five of XML itself and
//! character references, no other encoding than UTF-8. Everything else is an error that says where it stands.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, escape};

use crate::limits;

/// Why bytes are no such tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the XML of a SOAP answer at byte {at}: {problem}")]
pub struct BadXml {
    /// Byte offset of the fault.
    pub at: u64,
    /// What is wrong there.
    pub problem: String,
}

/// An element. Prefixes are dropped from all names: SOAP's and VMware's do not overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element<'b> {
    /// Its name.
    pub name: &'b str,
    /// The type that `xsi:type` or, in references, `type` gives it; "" where there is none.
    pub kind: Cow<'b, str>,
    /// The text directly in it, its parts joined.
    pub text: Cow<'b, str>,
    /// The elements in it, in order.
    pub children: Vec<Self>,
}

impl<'b> Element<'b> {
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }
    /// All children of that name.
    pub fn all<'e>(&'e self, name: &str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
    /// What a path of names leads to.
    pub fn descendant(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }
    /// The text of the first child of that name, without the white space around it.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }
    /// The whole number in the first child of that name; `None` where it is missing or no such number.
    pub fn number_of<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text_of(name)?.parse().ok()
    }
}

/// Reads a whole document into its root element.
pub fn parse(bytes: &[u8]) -> Result<Element<'_>, BadXml> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = u64::try_from(error.valid_up_to()).unwrap_or(u64::MAX);
        BadXml { at, problem: "it is not UTF-8".to_owned() }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut tree = Growing { text, open: Vec::new(), root: None, elements: 0 };
    let mut reader = Reader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    loop {
        let at = reader.buffer_position();
        let bad = |problem: String| BadXml { at, problem };
        let event =
            reader.read_event().map_err(|error| BadXml { at: reader.error_position(), problem: error.to_string() })?;
        match event {
            Event::Start(start) => tree.begin(&start, at).map_err(bad)?,
            Event::Empty(start) => {
                tree.begin(&start, at).map_err(bad)?;
                tree.end();
            }
            Event::End(_) => tree.end(),
            Event::Text(part) => tree.add(part.into_inner()).map_err(bad)?,
            Event::CData(part) => tree.add(part.into_inner()).map_err(bad)?,
            Event::GeneralRef(reference) => {
                let name = reference.into_inner();
                let meant = resolve(&name).ok_or_else(|| bad(format!("the entity &{name}; is not allowed")))?;
                tree.add(Cow::Owned(meant)).map_err(bad)?;
            }
            Event::DocType(_) => return Err(bad("a document type is not allowed".to_owned())),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => return tree.finish().map_err(bad),
        }
    }
}

/// What an entity or character reference stands for.
fn resolve(name: &str) -> Option<String> {
    let Some(number) = name.strip_prefix('#') else { return escape::resolve_xml_entity(name).map(str::to_owned) };
    let code = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    // XML 1.0, section 2.2: no control characters of ASCII but these.
    let is_allowed = |c: &char| !c.is_ascii_control() || matches!(c, '\t' | '\n' | '\r' | '\u{7f}');
    code.ok().and_then(char::from_u32).filter(is_allowed).map(String::from)
}

/// A tree that is being read.
struct Growing<'b> {
    text: &'b str,
    /// The elements that have begun and not ended, the root first.
    open: Vec<Element<'b>>,
    root: Option<Element<'b>>,
    elements: usize,
}

impl<'b> Growing<'b> {
    fn begin(&mut self, start: &BytesStart<'_>, at: u64) -> Result<(), String> {
        self.elements += 1;
        if self.elements > limits::XML_ELEMENTS {
            return Err(format!("more than {} elements", limits::XML_ELEMENTS));
        }
        if self.open.len() >= limits::XML_DEPTH {
            return Err(format!("elements within each other more than {} deep", limits::XML_DEPTH));
        }
        if self.root.is_some() {
            return Err("a second root element".to_owned());
        }
        // The event's own text does not live as long as the document, of which it is a part.
        let whole = start.name().as_ref().len();
        let name = usize::try_from(at).ok().and_then(|at| self.text.get(at + 1..at + 1 + whole));
        let name = name.map(local).ok_or("an element without a name")?;
        let mut element = Element { name, ..Element::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let key = attribute.key.as_ref();
            if key == "type" || key.ends_with(":type") {
                let value = escape::unescape(&attribute.value).map_err(|error| error.to_string())?;
                // A reference has `type="VirtualMachine"` beside `xsi:type="ManagedObjectReference"`.
                if key == "type" || element.kind.is_empty() {
                    element.kind = Cow::Owned(local(&value).to_owned());
                }
            }
        }
        self.open.push(element);
        Ok(())
    }

    fn add(&mut self, part: Cow<'b, str>) -> Result<(), String> {
        let Some(element) = self.open.last_mut() else {
            return if part.trim().is_empty() { Ok(()) } else { Err("text outside".to_owned()) };
        };
        if element.text.is_empty() {
            element.text = part;
        } else if element.children.is_empty() || !part.trim().is_empty() {
            // Between elements there is only layout, of which nobody wants a copy.
            element.text.to_mut().push_str(&part);
        }
        Ok(())
    }

    fn end(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn finish(self) -> Result<Element<'b>, String> {
        match self.open.last() {
            Some(open) => Err(format!("it ends within <{}>", open.name)),
            None => self.root.ok_or_else(|| "there is no element".to_owned()),
        }
    }
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// A text as it may stand between tags.
pub fn escaped(text: &str) -> Cow<'_, str> {
    escape::escape(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(document: impl AsRef<[u8]>) -> String {
        parse(document.as_ref()).expect_err("no such tree").to_string()
    }

    #[test]
    fn names_texts_and_types_are_had_without_their_prefixes() {
        let document = b"<?xml version=\"1.0\"?>\n<s:Envelope xmlns:s=\"x\">\n <s:Body><a xsi:type=\"xsd:long\">5</a>\
            <a>x &amp; &#65;&#x42;<![CDATA[<c>]]></a><ref type=\"VirtualMachine\" xsi:type=\"Ref\">vm-1</ref><!-- c --><e/></s:Body>\n</s:Envelope>\n";
        let root = parse(document).expect("a tree");
        assert_eq!(parse(&[b"\xef\xbb\xbf", &document[..]].concat()).as_ref(), Ok(&root), "with a byte order mark");
        let body = root.child("Body").expect("a body");
        assert_eq!(root.name, "Envelope");
        assert_eq!(body.number_of::<u64>("a"), Some(5));
        let texts: Vec<(&str, &str)> = body.children.iter().map(|child| (&*child.kind, &*child.text)).collect();
        assert_eq!(texts, [("long", "5"), ("", "x & AB<c>"), ("VirtualMachine", "vm-1"), ("", "")]);
        assert_eq!(root.descendant(&["Body", "ref"]).map(|found| &*found.text), Some("vm-1"));
        assert_eq!((body.number_of::<u64>("ref"), body.number_of::<u64>("none")), (None, None));
    }

    #[test]
    fn a_document_type_and_its_entities_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert_eq!(problem(bomb), "not the XML of a SOAP answer at byte 0: a document type is not allowed");
        assert_eq!(problem("<a>&c;</a>"), "not the XML of a SOAP answer at byte 3: the entity &c; is not allowed");
        for reference in ["&#0;", "&#x1b;", "&#xD800;", "&#99999999999;", "&#-1;"] {
            assert!(problem(format!("<a>{reference}</a>")).contains("is not allowed"), "{reference}");
        }
    }

    #[test]
    fn depth_and_number_of_elements_are_bounded() {
        let deep = |depth| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(parse(deep(limits::XML_DEPTH).as_bytes()).is_ok());
        assert!(problem(deep(limits::XML_DEPTH + 1)).contains("more than 64 deep"));
        let wide = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
        assert!(parse(wide(limits::XML_ELEMENTS).as_bytes()).is_ok());
        assert!(problem(wide(limits::XML_ELEMENTS + 1)).contains("more than 250000 elements"));
    }

    #[test]
    fn what_is_cut_off_or_no_xml_at_all_says_where() {
        let whole = "<a><b>text &lt; </b><c x='1'/></a>";
        assert!(parse(whole.as_bytes()).is_ok());
        for length in 0..whole.len() {
            let cut = problem(&whole[..length]);
            assert!(cut.starts_with("not the XML of a SOAP answer at byte "), "{length}: {cut}");
        }
        for bad in
            ["<a></b>", "<a/><b/>", "<a/>text", "{}", "<a x=1/>", "<a x='1' x='2'/>", "</a>", "<a>&</a>", "< a/>"]
        {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(problem(b"<a>\xff</a>"), "not the XML of a SOAP answer at byte 3: it is not UTF-8");
        assert_eq!(problem("<html><body>x"), "not the XML of a SOAP answer at byte 13: it ends within <body>");
    }
}
