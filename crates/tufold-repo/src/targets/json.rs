//! One line of JSON Lines, in and out.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tufold_meta::cjson::Object;
use tufold_meta::{Hashes, TargetFile};

use super::read::{target_length, target_path, target_sha256, value};
use super::{Change, LineError, Target};

/// How deep `custom` may nest. JSON readers, serde_json among them, stop at 128 levels, and the
/// metadata around `custom` needs a few of those.
const MAX_CUSTOM_DEPTH: u32 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    /// Raw, so that an error can show what stands there.
    #[serde(borrow)]
    length: &'a RawValue,
    hashes: HashPairs,
    #[serde(default, deserialize_with = "custom")]
    custom: Option<Object>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", expecting = "an object with the one key `put` or `remove`")]
enum ChangeRow<'a> {
    Put(#[serde(borrow)] Fields<Row<'a>>),
    Remove(#[serde(borrow)] Cow<'a, str>),
}

/// A `T` that is written as an object. A derived `T` alone would take an array of its fields too.
struct Fields<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldsVisitor<T> {
            type Value = Fields<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of path, length, hashes and custom")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fields<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Fields)
            }
        }
        deserializer.deserialize_map(FieldsVisitor(PhantomData))
    }
}

pub(super) fn read_target(text: &str) -> Result<Target, LineError> {
    serde_json::from_str::<Fields<Row<'_>>>(text).map_err(json_error)?.0.into_target()
}

pub(super) fn read_change(text: &str) -> Result<Change, LineError> {
    Ok(match serde_json::from_str(text).map_err(json_error)? {
        ChangeRow::Put(Fields(row)) => Change::Put(row.into_target()?),
        ChangeRow::Remove(path) => Change::Remove(target_path(&path)?),
    })
}

fn json_error(error: serde_json::Error) -> LineError {
    // The text is one line, so serde_json's own "at line 1" would mislead.
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    let message = message.strip_suffix(&place).unwrap_or(&message).to_owned();
    LineError::Json { message, column: error.column() }
}

impl Row<'_> {
    fn into_target(self) -> Result<Target, LineError> {
        let path = target_path(&self.path)?;
        let length = target_length("length", self.length.get())?;
        let mut hashes = Hashes::default();
        for (algorithm, hex) in self.hashes.0 {
            check_hash(&algorithm, &hex)?;
            hashes.insert(algorithm, hex.to_ascii_lowercase());
        }
        if hashes.sha256().is_none() {
            return Err(LineError::NoSha256);
        }
        let file = TargetFile { length, hashes, custom: self.custom, extra: Object::default() };
        Ok(Target { path, file })
    }
}

/// The algorithms whose digests have a known length are held to it, any other to be hex at all.
fn check_hash(algorithm: &str, hex: &str) -> Result<(), LineError> {
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (fits, expected) = match algorithm {
        "sha256" => return target_sha256("hash sha256", hex).map(drop),
        "sha384" => (hex.len() == 96, "96 hex digits"),
        "sha512" => (hex.len() == 128, "128 hex digits"),
        _ => (!hex.is_empty() && hex.len().is_multiple_of(2), "an even number of hex digits"),
    };
    if is_hex && fits { Ok(()) } else { Err(value(&format!("hash {algorithm}"), hex, expected)) }
}

/// The entries of `hashes`, no algorithm twice.
struct HashPairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for HashPairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = HashPairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of hash algorithms with their hex digits")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HashPairs, A::Error> {
                let mut pairs: Vec<(String, String)> = Vec::new();
                while let Some((algorithm, hex)) = map.next_entry::<String, String>()? {
                    if pairs.iter().any(|(earlier, _)| *earlier == algorithm) {
                        return Err(repeated(algorithm.as_str()));
                    }
                    pairs.push((algorithm, hex));
                }
                Ok(HashPairs(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

fn repeated<E: Error>(key: &str) -> E {
    E::custom(format_args!("duplicate field `{key}`"))
}

fn custom<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Object>, D::Error> {
    match (Integral { levels: MAX_CUSTOM_DEPTH }).deserialize(deserializer)? {
        Value::Object(map) => Object::new(map).map(Some).map_err(D::Error::custom),
        _ => Err(D::Error::custom("custom is not an object")),
    }
}

/// Any JSON value that has one canonical form: whole numbers only, and no key twice.
#[derive(Clone, Copy)]
struct Integral {
    levels: u32,
}

impl Integral {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let deeper = |levels| Self { levels };
        let error =
            || E::custom(format_args!("custom nests deeper than {MAX_CUSTOM_DEPTH} levels"));
        self.levels.checked_sub(1).map(deeper).ok_or_else(error)
    }
}

impl<'de> DeserializeSeed<'de> for Integral {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Integral {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Err(E::custom(format_args!("custom holds {value:?}, and canonical JSON has integers only")))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(repeated(&key));
            }
            let value = entries.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(map.into())
    }
}

/// A target as its line holds it.
#[derive(Serialize)]
struct RowOut<'a> {
    path: &'a str,
    length: u64,
    hashes: HashesOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: &'a Option<Object>,
}

struct HashesOut<'a>(&'a Hashes);

impl Serialize for HashesOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum ChangeOut<'a> {
    Put(RowOut<'a>),
    Remove(&'a str),
}

pub(super) fn write_target(out: &mut dyn io::Write, target: &Target) -> io::Result<()> {
    write_line(out, &row_out(target)?)
}

pub(super) fn write_change(out: &mut dyn io::Write, change: &Change) -> io::Result<()> {
    match change {
        Change::Put(target) => write_line(out, &ChangeOut::Put(row_out(target)?)),
        Change::Remove(path) => write_line(out, &ChangeOut::Remove(path.as_str())),
    }
}

fn row_out(Target { path, file }: &Target) -> io::Result<RowOut<'_>> {
    if let Some(field) = file.extra.as_map().keys().next() {
        let message = format!("{path} has the field {field:?}, which no list can hold");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(RowOut {
        path: path.as_str(),
        length: file.length,
        hashes: HashesOut(&file.hashes),
        custom: &file.custom,
    })
}

fn write_line(mut out: &mut dyn io::Write, row: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut out, row)?;
    out.write_all(b"\n")
}
