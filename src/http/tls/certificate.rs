//! Reads what messages need from certificates (RFC 5280). rustls decides whether to trust them; nothing here does.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

// Tags of DER.
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const ISSUER_ID: u8 = 0x81;
const SUBJECT_ID: u8 = 0x82;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

// Object identifiers.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];
const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 4, 11];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const ELLIPTIC_CURVE: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// What messages need from a certificate.
pub struct Certificate<'a> {
    /// The name of the authority that issued it.
    pub issuer: Name<'a>,
    /// Its own name.
    pub subject: Name<'a>,
    /// When it expires.
    pub expires: Time<'a>,
    /// Its public key.
    pub key: PublicKey<'a>,
    /// Whether it is the certificate of an authority.
    pub is_authority: bool,
    /// The hosts and addresses that it is for.
    pub hosts: Vec<Cow<'a, str>>,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate in DER. Returns `None` if it is malformed.
    pub fn parse(der: &'a [u8]) -> Option<Certificate<'a>> {
        let whole = Reader(der).take(SEQUENCE)?;
        let mut fields = Reader(Reader(whole).take(SEQUENCE)?);
        fields.take(VERSION);
        fields.take(INTEGER)?;
        fields.take(SEQUENCE)?;
        let issuer = Name(fields.take(SEQUENCE)?);
        let mut validity = Reader(fields.take(SEQUENCE)?);
        validity.next()?;
        let expires = Time(validity.next()?.1);
        let subject = Name(fields.take(SEQUENCE)?);
        let key = PublicKey(fields.take(SEQUENCE)?);
        fields.take(ISSUER_ID);
        fields.take(SUBJECT_ID);
        let mut certificate =
            Certificate { issuer, subject, expires, key, is_authority: false, hosts: Vec::new() };
        let mut extensions =
            Reader(fields.take(EXTENSIONS).and_then(|list| Reader(list).take(SEQUENCE)).unwrap_or_default());
        while let Some(extension) = extensions.take(SEQUENCE) {
            let mut parts = Reader(extension);
            let id = parts.take(OBJECT_ID)?;
            parts.take(BOOLEAN);
            let mut value = Reader(Reader(parts.take(OCTET_STRING)?).take(SEQUENCE).unwrap_or_default());
            match id {
                BASIC_CONSTRAINTS => certificate.is_authority = value.take(BOOLEAN) == Some(&[0xff]),
                ALTERNATIVE_NAME => certificate.hosts = hosts(value),
                _ => {}
            }
        }
        Some(certificate)
    }

    /// Whether the certificate names itself as its issuer.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }
}

fn hosts(mut names: Reader<'_>) -> Vec<Cow<'_, str>> {
    let mut hosts = Vec::new();
    while let Some((tag, name)) = names.next() {
        match (tag, name) {
            (DNS_NAME, name) => hosts.push(String::from_utf8_lossy(name)),
            (IP_ADDRESS, &[a, b, c, d]) => hosts.push(Ipv4Addr::new(a, b, c, d).to_string().into()),
            (IP_ADDRESS, name) => {
                let address = <[u8; 16]>::try_from(name).map(Ipv6Addr::from);
                hosts.extend(address.map(|address| address.to_string().into()));
            }
            _ => {}
        }
    }
    hosts
}

/// A time: `YYMMDDHHMMSSZ`, or with four digits for the year (RFC 5280, 4.1.2.5).
#[derive(Clone, Copy)]
pub struct Time<'a>(&'a [u8]);

impl fmt::Display for Time<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::str::from_utf8(self.0).unwrap_or_default();
        let digits = text.trim_end_matches('Z');
        let century = match digits.len() {
            // 50 to 99 are years of the last century.
            12 if digits < "5" => "20",
            12 => "19",
            _ => "",
        };
        match digits.len() + century.len() {
            14 if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let (date, time) = digits.split_at(digits.len() - 6);
                let (year, day) = date.split_at(date.len() - 4);
                write!(f, "{century}{year}-{}-{} ", &day[..2], &day[2..])?;
                write!(f, "{}:{}:{} UTC", &time[..2], &time[2..4], &time[4..])
            }
            _ => f.write_str("at an unknown time"),
        }
    }
}

/// A distinguished name.
#[derive(Clone, Copy, PartialEq)]
pub struct Name<'a>(pub &'a [u8]);

impl Name<'_> {
    /// The common name, or else the organizational unit or organization, or else the last attribute, which is the most
    /// specific one. `None` if the name is empty.
    pub fn text(&self) -> Option<String> {
        let wanted = [COMMON_NAME, ORGANIZATIONAL_UNIT, ORGANIZATION];
        let found = wanted.iter().find_map(|wanted| self.attribute(|id| id == *wanted));
        found.or_else(|| self.attribute(|_| true))
    }

    /// The last attribute whose identifier is `wanted`. One element of the name can have several attributes.
    fn attribute(&self, wanted: impl Fn(&[u8]) -> bool) -> Option<String> {
        let mut found = None;
        let mut sets = Reader(self.0);
        while let Some(set) = sets.take(SET) {
            let mut attributes = Reader(set);
            while let Some(attribute) = attributes.take(SEQUENCE) {
                let mut parts = Reader(attribute);
                if parts.take(OBJECT_ID).is_some_and(&wanted) {
                    found = parts.next();
                }
            }
        }
        found.map(|(tag, text)| match tag {
            BMP_STRING => {
                let units: Vec<u16> =
                    text.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect();
                String::from_utf16_lossy(&units)
            }
            _ => String::from_utf8_lossy(text).into_owned(),
        })
    }
}

/// A public key with its algorithm: the content of a SubjectPublicKeyInfo.
#[derive(Clone, Copy, PartialEq)]
pub struct PublicKey<'a>(pub &'a [u8]);

impl PublicKey<'_> {
    /// The kind of key, such as "an RSA key of 1024 bits", if it is not supported.
    pub fn unsupported(&self) -> Option<String> {
        const SUPPORTED_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
        let mut parts = Reader(self.0);
        let algorithm = parts.take(SEQUENCE)?;
        if Reader(algorithm).take(OBJECT_ID) != Some(RSA) {
            return unsupported_key(algorithm);
        }
        let bits = Reader(Reader(parts.take(BIT_STRING)?.get(1..)?).take(SEQUENCE)?).take(INTEGER)?;
        let zeros = bits.iter().take_while(|byte| **byte == 0).count();
        let bits = 8 * (bits.len() - zeros) - bits.get(zeros)?.leading_zeros() as usize;
        (!SUPPORTED_BITS.contains(&bits)).then(|| format!("an RSA key of {bits} bits"))
    }
}

/// The kind of key of an algorithm identifier, if it is not supported. Sizes of RSA keys are not considered.
pub fn unsupported_key(algorithm: &[u8]) -> Option<String> {
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    const P384: &[u8] = &[0x2b, 0x81, 4, 0, 34];
    let mut parts = Reader(algorithm);
    let id = parts.take(OBJECT_ID)?;
    Some(match (id, parts.take(OBJECT_ID)) {
        (RSA | ED25519, _) | (ELLIPTIC_CURVE, Some(P256 | P384)) => return None,
        (ELLIPTIC_CURVE, Some([0x2b, 0x81, 4, 0, 35])) => "an ECDSA key on the curve P-521".into(),
        (ELLIPTIC_CURVE, Some([0x2b, 0x81, 4, 0, 10])) => "an ECDSA key on the curve secp256k1".into(),
        (ELLIPTIC_CURVE, Some(curve)) => format!("an ECDSA key on the curve {}", ObjectId(curve)),
        ([0x2b, 0x65, 0x71], _) => "an Ed448 key".into(),
        ([0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1], _) => "a DSA key".into(),
        (id, _) => format!("a key of the algorithm {}", ObjectId(id)),
    })
}

/// The name of the signature algorithm of an algorithm identifier.
pub fn signature_algorithm(algorithm: &[u8]) -> String {
    let id = Reader(algorithm).take(OBJECT_ID).unwrap_or_default();
    let name = match id {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] => "ECDSA and SHA-1",
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 1] => "ECDSA and SHA-224",
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2] => "ECDSA and SHA-256",
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3] => "ECDSA and SHA-384",
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4] => "ECDSA and SHA-512",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4] => "RSA and MD5",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5] => "RSA and SHA-1",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10] => "RSA-PSS with these parameters",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 14] => "RSA and SHA-224",
        [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3] => "DSA and SHA-1",
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 2] => "DSA and SHA-256",
        [0x2b, 0x65, 0x71] => "Ed448",
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 17..=19] => "ML-DSA",
        _ => return format!("the algorithm {}", ObjectId(id)),
    };
    name.into()
}

/// Shows an object identifier as numbers with dots.
struct ObjectId<'a>(&'a [u8]);

impl fmt::Display for ObjectId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Long enough for every algorithm in use.
        const MAX_BYTES: usize = 20;
        let mut value = 0_u64;
        let mut is_first = true;
        for byte in self.0.iter().take(MAX_BYTES) {
            value = value.wrapping_shl(7) | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                if is_first {
                    let root = (value / 40).min(2);
                    write!(f, "{root}.{}", value - 40 * root)?;
                } else {
                    write!(f, ".{value}")?;
                }
                is_first = false;
                value = 0;
            }
        }
        Ok(())
    }
}

/// Reads one element of DER after another.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next element, if it has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.next().map(|(_, content)| content) } else { None }
    }

    /// The tag and the content of the next element. Returns `None` at the end, and if it is malformed.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], mut rest) = self.0.split_first_chunk()?;
        let mut length = usize::from(length);
        if length >= 0x80 {
            let (digits, after) = rest.split_at_checked(length - 0x80)?;
            if digits.len() > 4 {
                return None;
            }
            length = digits
                .iter()
                .try_fold(0, |length: usize, digit| Some(length.checked_mul(256)? + usize::from(*digit)))?;
            rest = after;
        }
        let content;
        (content, self.0) = rest.split_at_checked(length)?;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_named() {
        let cases: [(&[u8], &str); 12] = [
            (&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], "ECDSA and SHA-512"),
            (&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5, 5, 0], "RSA and SHA-1"),
            (&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], "ECDSA and SHA-256"),
            (&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], "ECDSA and SHA-384"),
            (&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10], "RSA-PSS with these parameters"),
            (&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 14], "RSA and SHA-224"),
            (&[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3], "DSA and SHA-1"),
            (&[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 2], "DSA and SHA-256"),
            (&[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 18], "ML-DSA"),
            (&[6, 3, 0x2b, 0x65, 0x71], "Ed448"),
            (&[6, 4, 0x2a, 0x86, 0x48, 5], "the algorithm 1.2.840.5"),
            (&[], "the algorithm "),
        ];
        cases.iter().for_each(|(algorithm, name)| assert_eq!(signature_algorithm(algorithm), *name));
    }

    #[test]
    fn unsupported_keys_are_named() {
        let curve = |curve: &[u8]| [&[6, 7], ELLIPTIC_CURVE, &[6, curve.len() as u8], curve].concat();
        let cases = [
            (curve(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]), None),
            (curve(&[0x2b, 0x81, 4, 0, 34]), None),
            (curve(&[0x2b, 0x81, 4, 0, 35]), Some("an ECDSA key on the curve P-521")),
            (curve(&[0x2b, 0x81, 4, 0, 10]), Some("an ECDSA key on the curve secp256k1")),
            (vec![6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1], Some("a DSA key")),
            (curve(&[0x2b, 0x24, 3]), Some("an ECDSA key on the curve 1.3.36.3")),
            (vec![6, 3, 0x2b, 0x65, 0x70], None),
            (vec![6, 3, 0x2b, 0x65, 0x71], Some("an Ed448 key")),
            (vec![6, 2, 0x2b, 0x65], Some("a key of the algorithm 1.3.101")),
            (vec![], None),
        ];
        for (algorithm, name) in cases {
            assert_eq!(unsupported_key(&algorithm).as_deref(), name, "{algorithm:?}");
        }
    }

    #[test]
    fn names_are_read_from_any_attribute_and_string_type() {
        const DOMAIN_COMPONENT: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25];
        let name = |id: &[u8], tag: u8, text: &[u8]| {
            let parts = [&[6, id.len() as u8], id, &[tag, text.len() as u8], text].concat();
            [&[SET, parts.len() as u8 + 2, SEQUENCE, parts.len() as u8], &parts[..]].concat()
        };
        let both =
            [name(ORGANIZATION, 0x13, b"Example"), name(COMMON_NAME, 0x0c, "Bücher".as_bytes())].concat();
        // One element with both attributes.
        let joined = [&[SET, 32], &both[2..18], &both[20..]].concat();
        let components = [name(DOMAIN_COMPONENT, 0x16, b"com"), name(DOMAIN_COMPONENT, 0x16, b"example")];
        let cases = [
            (both, Some("Bücher")),
            (joined, Some("Bücher")),
            (name(ORGANIZATION, 0x13, b"Example"), Some("Example")),
            (name(ORGANIZATIONAL_UNIT, 0x14, b"\xff"), Some("\u{fffd}")),
            (name(COMMON_NAME, BMP_STRING, &[0x67, 0x71, 0x4e, 0xac]), Some("東京")),
            (components.concat(), Some("example")),
            (vec![], None),
        ];
        cases.iter().for_each(|(name, text)| assert_eq!(Name(name).text().as_deref(), *text));
    }

    #[test]
    fn times_are_shown_in_full() {
        for (time, shown) in [
            ("270102030405Z", "2027-01-02 03:04:05 UTC"),
            ("491231235959Z", "2049-12-31 23:59:59 UTC"),
            ("500101000000Z", "1950-01-01 00:00:00 UTC"),
            ("20500101000000Z", "2050-01-01 00:00:00 UTC"),
            ("99991231235959Z", "9999-12-31 23:59:59 UTC"),
            ("2701020304Z", "at an unknown time"),
            ("27010203040xZ", "at an unknown time"),
            ("20270102030405.5Z", "at an unknown time"),
            ("", "at an unknown time"),
        ] {
            assert_eq!(Time(time.as_bytes()).to_string(), shown, "{time}");
        }
        assert_eq!(Time(b"2701020304\xc3\xbcZ").to_string(), "at an unknown time");
    }

    #[test]
    fn malformed_certificates_are_not_read() {
        let cases: [&[u8]; 6] = [
            b"",
            b"\x30",
            b"\x30\x05",
            b"\x30\x80",
            b"\x30\x85\x01\x01\x01\x01\x01",
            b"\x30\x84\xff\xff\xff\xff",
        ];
        cases.iter().for_each(|der| assert!(Certificate::parse(der).is_none(), "{der:?}"));
    }
}
