//! Calls by name, with arguments that are encoded already.

use crate::{Error, Result};
use codec::Encode;
use subxt::{
	Metadata,
	ext::{
		scale_decode::visitor::{IgnoreVisitor, decode_with_visitor},
		scale_encode::{self, EncodeAsFields},
		scale_type_resolver::{FieldIter, TypeResolver},
	},
	transactions::Payload,
};

/// A call of a pallet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
	pallet: &'static str,
	name: &'static str,
	arguments: Arguments,
}

/// Names and encoded values of a call's arguments, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Arguments(Vec<(&'static str, Vec<u8>)>);

impl Call {
	/// A call without arguments so far.
	pub fn new(pallet: &'static str, name: &'static str) -> Self {
		Self {
			pallet,
			name,
			arguments: Arguments::default(),
		}
	}

	/// Adds the next argument.
	pub fn argument(self, name: &'static str, value: &impl Encode) -> Self {
		self.raw_argument(name, value.encode())
	}

	/// Adds the next argument in its encoded form.
	pub fn raw_argument(mut self, name: &'static str, value: Vec<u8>) -> Self {
		self.arguments.0.push((name, value));
		self
	}

	/// Pallet and call, for messages.
	pub fn title(&self) -> String {
		format!("{}.{}", self.pallet, self.name)
	}

	/// Fails unless the chain has this call with these arguments.
	pub(crate) fn check(&self, metadata: &Metadata) -> Result<()> {
		let variant = metadata
			.pallet_by_name(self.pallet)
			.and_then(|pallet| pallet.call_variant_by_name(self.name))
			.ok_or_else(|| Error::IncompatibleChain(format!("it has no call {}", self.title())))?;
		let declared: Vec<(String, u32)> = variant
			.fields
			.iter()
			.map(|field| (field.name.clone().unwrap_or_default(), field.ty.id))
			.collect();
		check_arguments(&self.title(), &declared, &self.arguments.0, metadata)
	}

	/// The call as it stands in a transaction, checked.
	pub(crate) fn encode(&self, metadata: &Metadata) -> Result<Vec<u8>> {
		self.check(metadata)?;
		let unknown = || Error::IncompatibleChain(format!("it has no call {}", self.title()));
		let pallet = metadata.pallet_by_name(self.pallet).ok_or_else(unknown)?;
		let variant = pallet.call_variant_by_name(self.name).ok_or_else(unknown)?;
		let mut encoded = vec![pallet.call_index(), variant.index];
		for (_, value) in &self.arguments.0 {
			encoded.extend_from_slice(value);
		}
		Ok(encoded)
	}
}

/// Compares names and decodes each value by the declared type.
pub(crate) fn check_arguments(
	title: &str,
	declared: &[(String, u32)],
	arguments: &[(&str, Vec<u8>)],
	metadata: &Metadata,
) -> Result<()> {
	let names = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
	if !declared
		.iter()
		.map(|(name, _)| name.as_str())
		.eq(arguments.iter().map(|(name, _)| *name))
	{
		return Err(Error::IncompatibleChain(format!(
			"{title} takes ({}) and not ({})",
			names(&mut declared.iter().map(|(name, _)| name.as_str())),
			names(&mut arguments.iter().map(|(name, _)| *name)),
		)));
	}
	for ((name, type_id), (_, value)) in declared.iter().zip(arguments) {
		let mut rest = value.as_slice();
		let readable = decode_with_visitor(&mut rest, *type_id, metadata.types(), IgnoreVisitor::new());
		if readable.is_err() || !rest.is_empty() {
			return Err(Error::IncompatibleChain(format!(
				"{title} takes another type as `{name}`"
			)));
		}
	}
	Ok(())
}

impl EncodeAsFields for Arguments {
	fn encode_as_fields_to<R: TypeResolver>(
		&self,
		fields: &mut dyn FieldIter<'_, R::TypeId>,
		_types: &R,
		out: &mut Vec<u8>,
	) -> std::result::Result<(), scale_encode::Error> {
		// The values were checked by `Call::check`; this guards against use without it.
		if fields.len() != self.0.len() {
			return Err(scale_encode::Error::custom_str(
				"the call takes another number of arguments",
			));
		}
		for (_, value) in &self.0 {
			out.extend_from_slice(value);
		}
		Ok(())
	}
}

impl Payload for Call {
	type CallData = Arguments;

	fn pallet_name(&self) -> &str {
		self.pallet
	}

	fn call_name(&self) -> &str {
		self.name
	}

	fn call_data(&self) -> &Self::CallData {
		&self.arguments
	}
}
