//! One sold leaf, sealed.

use crate::{Place, SealingKey};
use codec::{Decode, Encode};
use m2m_merkle::{Hash, Reading, reading};
use sp_crypto_hashing::blake2_256;

/// A leaf as the seller hands it over before payment. Its encoding is 64 bytes: ciphertext, leaf hash. Where
/// it is anchored is not sent: it follows from its position in the range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SealedLeaf {
	/// The ciphertext `c`: salt and reading under the keystream of the position.
	pub sealed: [u8; 32],
	/// The leaf hash `h` that the device anchored.
	pub leaf: Hash,
}

impl SealedLeaf {
	/// Seals salt and reading of the leaf that is anchored at `index` of its batch.
	pub fn seal(key: &SealingKey, position: u32, index: u32, salt: &[u8; 16], reading: &Reading) -> Self {
		let mut plaintext = [0; 32];
		plaintext[..16].copy_from_slice(salt);
		plaintext[16..].copy_from_slice(&reading.to_bytes());
		Self {
			sealed: key.apply(position, &plaintext),
			leaf: reading::leaf_hash(index, salt, reading),
		}
	}

	/// The salt and the reading; `None` if the ciphertext does not open to the leaf hash.
	pub fn open(&self, key: &SealingKey, position: u32, index: u32) -> Option<([u8; 16], Reading)> {
		let plaintext = key.apply(position, &self.sealed);
		let salt = core::array::from_fn(|at| plaintext[at]);
		let reading = Reading::from_bytes(&core::array::from_fn(|at| plaintext[at + 16]));
		(reading::leaf_hash(index, &salt, &reading) == self.leaf).then_some((salt, reading))
	}

	/// The pair leaf, by which the seller answers for this ciphertext and this leaf hash belonging together:
	/// `H(0x02 || le32(position) || le64(seq) || le32(index) || h || H(0x03 || c))`.
	pub fn pair(&self, position: u32, place: Place) -> Hash {
		let mut ciphertext = [0x03; 33];
		ciphertext[1..].copy_from_slice(&self.sealed);
		let mut input = [0x02; 81];
		input[1..5].copy_from_slice(&position.to_le_bytes());
		input[5..13].copy_from_slice(&place.seq.to_le_bytes());
		input[13..17].copy_from_slice(&place.index.to_le_bytes());
		input[17..49].copy_from_slice(&self.leaf);
		input[49..].copy_from_slice(&blake2_256(&ciphertext));
		blake2_256(&input)
	}
}
