//! Points of secp256k1 that are not the point at infinity, with their compressed bytes.

use core::fmt;

use k256::{
    AffinePoint, ProjectivePoint, Scalar,
    elliptic_curve::{
        point::{AffineCoordinates, DecompressPoint},
        subtle::Choice,
    },
};

/// These bytes are no point, or the point is at infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no point of secp256k1")]
pub struct InvalidPoint;

/// A point that is not the point at infinity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Point {
    affine: AffinePoint,
    bytes: [u8; 33],
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Point {
    /// Reads a compressed point: 02 or 03, and x below the field's order.
    ///
    /// # Errors
    /// [`InvalidPoint`], for anything else.
    pub fn from_bytes(bytes: &[u8; 33]) -> Result<Self, InvalidPoint> {
        let (prefix, x) = bytes.split_first().ok_or(InvalidPoint)?;
        let x = x.try_into().map_err(|_| InvalidPoint)?;
        match prefix {
            2 => Self::from_x(x, false),
            3 => Self::from_x(x, true),
            _ => Err(InvalidPoint),
        }
    }

    /// The point with this x and an odd or an even y.
    ///
    /// # Errors
    /// [`InvalidPoint`], if no point has this x.
    pub fn from_x(x: &[u8; 32], y_is_odd: bool) -> Result<Self, InvalidPoint> {
        let affine: Option<AffinePoint> =
            AffinePoint::decompress(&(*x).into(), Choice::from(u8::from(y_is_odd))).into();
        Ok(Self::known(affine.ok_or(InvalidPoint)?))
    }

    /// # Errors
    /// [`InvalidPoint`], for the point at infinity.
    pub fn from_projective(point: &ProjectivePoint) -> Result<Self, InvalidPoint> {
        if *point == ProjectivePoint::IDENTITY {
            return Err(InvalidPoint);
        }
        Ok(Self::known(point.to_affine()))
    }

    fn known(affine: AffinePoint) -> Self {
        let mut bytes = [2; 33];
        bytes[0] |= affine.y_is_odd().unwrap_u8();
        bytes[1..].copy_from_slice(&affine.x());
        Self { affine, bytes }
    }

    /// A multiple of the base point by a scalar that is not zero, in constant time.
    #[must_use]
    pub fn mul_base(k: &Scalar) -> Self {
        Self::known((ProjectivePoint::GENERATOR * k).to_affine())
    }

    /// A multiple by a scalar that is not zero, in constant time. The group's order is prime.
    #[must_use]
    pub fn mul(&self, k: &Scalar) -> Self {
        Self::known((self.projective() * k).to_affine())
    }

    /// The compressed bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 33] {
        &self.bytes
    }

    /// The first coordinate, big-endian.
    #[must_use]
    pub fn x(&self) -> [u8; 32] {
        self.affine.x().into()
    }

    /// The second coordinate, big-endian.
    #[must_use]
    pub fn y(&self) -> [u8; 32] {
        self.affine.y().into()
    }

    /// For arithmetic.
    #[must_use]
    pub fn projective(&self) -> ProjectivePoint {
        self.affine.into()
    }
}
