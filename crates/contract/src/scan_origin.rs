use crate::TableName;

/// Says which table a file of a physical scan belongs to.
///
/// Every opener attaches it to each file that it hands to DataFusion (`PartitionedFile` extensions), so that the last
/// check before execution can tell an unrestricted table's scan from a protected one that lost its barrier. A scan
/// without an origin is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScanOrigin(pub TableName);
