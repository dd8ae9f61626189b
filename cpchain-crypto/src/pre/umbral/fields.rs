//! The values of `umbral-pre` as fixed-width bytes, one after another.
//!
//! The crate gives its values away through serde only. This is the smallest serde format that does it: byte
//! strings without lengths, flags not written and read as "set".

use alloc::vec::Vec;
use core::fmt::{self, Display};

use serde::{
    Serialize,
    de::{self, DeserializeOwned, DeserializeSeed, SeqAccess, Visitor},
    ser::{self, Impossible, SerializeStruct},
};
use zeroize::Zeroizing;

/// A value of a shape that the format does not have, or bytes that the type refuses.
#[derive(Debug)]
pub(super) struct Refused;

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a value of this shape")
    }
}

impl core::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

impl de::Error for Refused {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

/// The fields of `value` in order, wiped when dropped.
pub(super) fn write<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let mut out = Zeroizing::new(Vec::with_capacity(512));
    value.serialize(Writer(&mut out))?;
    Ok(out)
}

/// The value whose fields have these `widths`; all bytes must be used.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], widths: &[usize]) -> Result<T, Refused> {
    let mut reader = Reader { bytes, widths };
    let value = T::deserialize(&mut reader)?;
    if reader.bytes.is_empty() && reader.widths.is_empty() { Ok(value) } else { Err(Refused) }
}

struct Writer<'a>(&'a mut Vec<u8>);

macro_rules! refuse {
    ($($method:ident($($argument:ty),*);)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<(), Refused> { Err(Refused) })*
    };
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Impossible<(), Refused>;
    type SerializeTuple = Impossible<(), Refused>;
    type SerializeTupleStruct = Impossible<(), Refused>;
    type SerializeTupleVariant = Impossible<(), Refused>;
    type SerializeMap = Impossible<(), Refused>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Refused>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Refused> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn serialize_bool(self, set: bool) -> Result<(), Refused> {
        if set { Ok(()) } else { Err(Refused) }
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    refuse! {
        serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64);
        serialize_f32(f32); serialize_f64(f64); serialize_char(char); serialize_str(&str);
        serialize_none(); serialize_unit(); serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Refused> {
        Err(Refused)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Refused> {
        Err(Refused)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Refused> {
        Err(Refused)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Refused> {
        Err(Refused)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Refused> {
        Err(Refused)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Refused> {
        Err(Refused)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Refused> {
        Err(Refused)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Refused> {
        Err(Refused)
    }

    fn collect_str<T: Display + ?Sized>(self, _: &T) -> Result<(), Refused> {
        Err(Refused)
    }
}

impl SerializeStruct for Writer<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Refused> {
        value.serialize(Writer(self.0))
    }

    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    widths: &'a [usize],
}

impl<'de> de::Deserializer<'de> for &mut Reader<'_> {
    type Error = Refused;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let (width, widths) = self.widths.split_first().ok_or(Refused)?;
        let (field, bytes) = self.bytes.split_at_checked(*width).ok_or(Refused)?;
        (self.widths, self.bytes) = (widths, bytes);
        visitor.visit_bytes(field)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bool(true)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_seq(Fields { reader: self, left: fields.len() })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string byte_buf option unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Fields<'a, 'b> {
    reader: &'a mut Reader<'b>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, '_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}
