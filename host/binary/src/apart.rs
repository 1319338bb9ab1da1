//! Names of types without the executable: a copy of the part of it that descriptors lie in, for whoever has to name types long after the
//! file may have been overwritten.

use super::descriptors::Descriptors;
use super::image::Image;
use super::moduledata::Moduledata;
use super::{Architecture, Binary, Error, names};

const WORD: usize = size_of::<u64>();

/// As large as the program's descriptors: some hundred kilobytes, in large programs ten megabytes.
pub struct TypeNames {
    /// As loading at the link-time address would leave them.
    bytes: Vec<u8>,
    moduledata: Moduledata,
    architecture: Architecture,
}

impl Binary<'_> {
    pub fn type_names_apart(&self) -> Result<TypeNames, Error> {
        let moduledata = self.moduledata()?.clone();
        let length = moduledata.types_end.saturating_sub(moduledata.types);
        let mut bytes = self.image.bytes(moduledata.types, length)?.to_vec();
        for (index, word) in bytes.as_chunks_mut::<WORD>().0.iter_mut().enumerate() {
            let address = moduledata.types.saturating_add((index * WORD) as u64);
            if let Some(value) = self.image.relocations.value(&self.image, address) {
                *word = value.to_le_bytes();
            }
        }
        Ok(TypeNames { bytes, moduledata, architecture: self.image.architecture })
    }
}

impl TypeNames {
    /// By a descriptor's link-time address: `*example.com/shop/cart.Item`.
    pub fn name(&self, address: u64) -> Result<String, Error> {
        let image = Image::of_bytes(self.moduledata.types, &self.bytes, self.architecture);
        names::name(&Descriptors { image: &image, moduledata: &self.moduledata }, address)
    }
}
