use crate::certificate::Certificate;
use crate::limbs::Limbs;
pub(crate) struct Friendly<const V: usize> { pub(crate) from_1: Limbs<V>, pub(crate) from_2: Limbs<V>, pub(crate) from_3: Limbs<V>, pub(crate) low: [u64; 3] }
pub(crate) struct Modulus<const V: usize> {
    pub(crate) n_from_2: Limbs<V>,
    pub(crate) n_from_3: Limbs<V>,
    pub(crate) n_from_4: Limbs<V>,
    pub(crate) n_low: [u64; 4],
    pub(crate) k12: u64,
    pub(crate) friendly: Friendly<V>,
    pub(crate) rr: Limbs<V>,
    pub(crate) residue_rr: u64,
    pub(crate) certificate: Certificate<V>,
}
