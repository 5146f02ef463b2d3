//! The object identifiers of PostgreSQL's built-in types, as constants and as one table of facts about each.

/// `boolean`.
pub const BOOL: u32 = 16;
/// `boolean[]`.
pub const BOOL_ARRAY: u32 = 1000;
/// `bytea`.
pub const BYTEA: u32 = 17;
/// `bytea[]`.
pub const BYTEA_ARRAY: u32 = 1001;
/// `"char"`.
pub const CHAR: u32 = 18;
/// `"char"[]`.
pub const CHAR_ARRAY: u32 = 1002;
/// `name`.
pub const NAME: u32 = 19;
/// `name[]`.
pub const NAME_ARRAY: u32 = 1003;
/// `bigint`.
pub const INT8: u32 = 20;
/// `bigint[]`.
pub const INT8_ARRAY: u32 = 1016;
/// `smallint`.
pub const INT2: u32 = 21;
/// `smallint[]`.
pub const INT2_ARRAY: u32 = 1005;
/// `int2vector`.
pub const INT2VECTOR: u32 = 22;
/// `int2vector[]`.
pub const INT2VECTOR_ARRAY: u32 = 1006;
/// `integer`.
pub const INT4: u32 = 23;
/// `integer[]`.
pub const INT4_ARRAY: u32 = 1007;
/// `regproc`.
pub const REGPROC: u32 = 24;
/// `regproc[]`.
pub const REGPROC_ARRAY: u32 = 1008;
/// `text`.
pub const TEXT: u32 = 25;
/// `text[]`.
pub const TEXT_ARRAY: u32 = 1009;
/// `oid`.
pub const OID: u32 = 26;
/// `oid[]`.
pub const OID_ARRAY: u32 = 1028;
/// `tid`.
pub const TID: u32 = 27;
/// `tid[]`.
pub const TID_ARRAY: u32 = 1010;
/// `xid`.
pub const XID: u32 = 28;
/// `xid[]`.
pub const XID_ARRAY: u32 = 1011;
/// `cid`.
pub const CID: u32 = 29;
/// `cid[]`.
pub const CID_ARRAY: u32 = 1012;
/// `oidvector`.
pub const OIDVECTOR: u32 = 30;
/// `oidvector[]`.
pub const OIDVECTOR_ARRAY: u32 = 1013;
/// `json`.
pub const JSON: u32 = 114;
/// `json[]`.
pub const JSON_ARRAY: u32 = 199;
/// `xml`.
pub const XML: u32 = 142;
/// `xml[]`.
pub const XML_ARRAY: u32 = 143;
/// `pg_node_tree`.
pub const PG_NODE_TREE: u32 = 194;
/// `cidr`.
pub const CIDR: u32 = 650;
/// `cidr[]`.
pub const CIDR_ARRAY: u32 = 651;
/// `real`.
pub const FLOAT4: u32 = 700;
/// `real[]`.
pub const FLOAT4_ARRAY: u32 = 1021;
/// `double precision`.
pub const FLOAT8: u32 = 701;
/// `double precision[]`.
pub const FLOAT8_ARRAY: u32 = 1022;
/// `unknown`.
pub const UNKNOWN: u32 = 705;
/// `money`.
pub const MONEY: u32 = 790;
/// `money[]`.
pub const MONEY_ARRAY: u32 = 791;
/// `macaddr`.
pub const MACADDR: u32 = 829;
/// `macaddr[]`.
pub const MACADDR_ARRAY: u32 = 1040;
/// `inet`.
pub const INET: u32 = 869;
/// `inet[]`.
pub const INET_ARRAY: u32 = 1041;
/// `aclitem`.
pub const ACLITEM: u32 = 1033;
/// `aclitem[]`.
pub const ACLITEM_ARRAY: u32 = 1034;
/// `character`.
pub const BPCHAR: u32 = 1042;
/// `character[]`.
pub const BPCHAR_ARRAY: u32 = 1014;
/// `character varying`.
pub const VARCHAR: u32 = 1043;
/// `character varying[]`.
pub const VARCHAR_ARRAY: u32 = 1015;
/// `date`.
pub const DATE: u32 = 1082;
/// `date[]`.
pub const DATE_ARRAY: u32 = 1182;
/// `time without time zone`.
pub const TIME: u32 = 1083;
/// `time without time zone[]`.
pub const TIME_ARRAY: u32 = 1183;
/// `timestamp without time zone`.
pub const TIMESTAMP: u32 = 1114;
/// `timestamp without time zone[]`.
pub const TIMESTAMP_ARRAY: u32 = 1115;
/// `timestamp with time zone`.
pub const TIMESTAMPTZ: u32 = 1184;
/// `timestamp with time zone[]`.
pub const TIMESTAMPTZ_ARRAY: u32 = 1185;
/// `interval`.
pub const INTERVAL: u32 = 1186;
/// `interval[]`.
pub const INTERVAL_ARRAY: u32 = 1187;
/// `time with time zone`.
pub const TIMETZ: u32 = 1266;
/// `time with time zone[]`.
pub const TIMETZ_ARRAY: u32 = 1270;
/// `bit`.
pub const BIT: u32 = 1560;
/// `bit[]`.
pub const BIT_ARRAY: u32 = 1561;
/// `bit varying`.
pub const VARBIT: u32 = 1562;
/// `bit varying[]`.
pub const VARBIT_ARRAY: u32 = 1563;
/// `numeric`.
pub const NUMERIC: u32 = 1700;
/// `numeric[]`.
pub const NUMERIC_ARRAY: u32 = 1231;
/// `refcursor`.
pub const REFCURSOR: u32 = 1790;
/// `refcursor[]`.
pub const REFCURSOR_ARRAY: u32 = 2201;
/// `regprocedure`.
pub const REGPROCEDURE: u32 = 2202;
/// `regprocedure[]`.
pub const REGPROCEDURE_ARRAY: u32 = 2207;
/// `regoper`.
pub const REGOPER: u32 = 2203;
/// `regoper[]`.
pub const REGOPER_ARRAY: u32 = 2208;
/// `regoperator`.
pub const REGOPERATOR: u32 = 2204;
/// `regoperator[]`.
pub const REGOPERATOR_ARRAY: u32 = 2209;
/// `regclass`.
pub const REGCLASS: u32 = 2205;
/// `regclass[]`.
pub const REGCLASS_ARRAY: u32 = 2210;
/// `regtype`.
pub const REGTYPE: u32 = 2206;
/// `regtype[]`.
pub const REGTYPE_ARRAY: u32 = 2211;
/// `record`.
pub const RECORD: u32 = 2249;
/// `record[]`.
pub const RECORD_ARRAY: u32 = 2287;
/// `cstring`.
pub const CSTRING: u32 = 2275;
/// `cstring[]`.
pub const CSTRING_ARRAY: u32 = 1263;
/// `void`.
pub const VOID: u32 = 2278;
/// `uuid`.
pub const UUID: u32 = 2950;
/// `uuid[]`.
pub const UUID_ARRAY: u32 = 2951;
/// `pg_lsn`.
pub const PG_LSN: u32 = 3220;
/// `pg_lsn[]`.
pub const PG_LSN_ARRAY: u32 = 3221;
/// `tsvector`.
pub const TSVECTOR: u32 = 3614;
/// `tsvector[]`.
pub const TSVECTOR_ARRAY: u32 = 3643;
/// `regconfig`.
pub const REGCONFIG: u32 = 3734;
/// `regconfig[]`.
pub const REGCONFIG_ARRAY: u32 = 3735;
/// `regdictionary`.
pub const REGDICTIONARY: u32 = 3769;
/// `regdictionary[]`.
pub const REGDICTIONARY_ARRAY: u32 = 3770;
/// `jsonb`.
pub const JSONB: u32 = 3802;
/// `jsonb[]`.
pub const JSONB_ARRAY: u32 = 3807;
/// `jsonpath`.
pub const JSONPATH: u32 = 4072;
/// `jsonpath[]`.
pub const JSONPATH_ARRAY: u32 = 4073;
/// `regnamespace`.
pub const REGNAMESPACE: u32 = 4089;
/// `regnamespace[]`.
pub const REGNAMESPACE_ARRAY: u32 = 4090;
/// `regrole`.
pub const REGROLE: u32 = 4096;
/// `regrole[]`.
pub const REGROLE_ARRAY: u32 = 4097;
/// `regcollation`.
pub const REGCOLLATION: u32 = 4191;
/// `regcollation[]`.
pub const REGCOLLATION_ARRAY: u32 = 4192;
/// `xid8`.
pub const XID8: u32 = 5069;
/// `xid8[]`.
pub const XID8_ARRAY: u32 = 271;

/// What is fixed about one built-in type that is not an array.
#[derive(Debug)]
pub(crate) struct TypeFacts {
    pub(crate) oid: u32,
    /// `pg_type.typname`.
    pub(crate) name: &'static str,
    /// `pg_type.typlen`.
    pub(crate) size: i16,
    /// Zero for a type without an array type.
    pub(crate) array: u32,
    /// As `format_type` spells it.
    pub(crate) sql_name: &'static str,
    /// The SQL name of its array type.
    pub(crate) sql_array_name: &'static str,
}

const fn facts(
    oid: u32,
    name: &'static str,
    size: i16,
    array: u32,
    sql_name: &'static str,
    sql_array_name: &'static str,
) -> TypeFacts {
    TypeFacts {
        oid,
        name,
        size,
        array,
        sql_name,
        sql_array_name,
    }
}

/// In ascending order of `oid`.
pub(crate) static TYPES: &[TypeFacts] = &[
    facts(BOOL, "bool", 1, BOOL_ARRAY, "boolean", "boolean[]"),
    facts(BYTEA, "bytea", -1, BYTEA_ARRAY, "bytea", "bytea[]"),
    facts(CHAR, "char", 1, CHAR_ARRAY, "\"char\"", "\"char\"[]"),
    facts(NAME, "name", 64, NAME_ARRAY, "name", "name[]"),
    facts(INT8, "int8", 8, INT8_ARRAY, "bigint", "bigint[]"),
    facts(INT2, "int2", 2, INT2_ARRAY, "smallint", "smallint[]"),
    facts(
        INT2VECTOR,
        "int2vector",
        -1,
        INT2VECTOR_ARRAY,
        "int2vector",
        "int2vector[]",
    ),
    facts(INT4, "int4", 4, INT4_ARRAY, "integer", "integer[]"),
    facts(REGPROC, "regproc", 4, REGPROC_ARRAY, "regproc", "regproc[]"),
    facts(TEXT, "text", -1, TEXT_ARRAY, "text", "text[]"),
    facts(OID, "oid", 4, OID_ARRAY, "oid", "oid[]"),
    facts(TID, "tid", 6, TID_ARRAY, "tid", "tid[]"),
    facts(XID, "xid", 4, XID_ARRAY, "xid", "xid[]"),
    facts(CID, "cid", 4, CID_ARRAY, "cid", "cid[]"),
    facts(OIDVECTOR, "oidvector", -1, OIDVECTOR_ARRAY, "oidvector", "oidvector[]"),
    facts(JSON, "json", -1, JSON_ARRAY, "json", "json[]"),
    facts(XML, "xml", -1, XML_ARRAY, "xml", "xml[]"),
    facts(PG_NODE_TREE, "pg_node_tree", -1, 0, "pg_node_tree", "pg_node_tree[]"),
    facts(CIDR, "cidr", -1, CIDR_ARRAY, "cidr", "cidr[]"),
    facts(FLOAT4, "float4", 4, FLOAT4_ARRAY, "real", "real[]"),
    facts(
        FLOAT8,
        "float8",
        8,
        FLOAT8_ARRAY,
        "double precision",
        "double precision[]",
    ),
    facts(UNKNOWN, "unknown", -2, 0, "unknown", "unknown[]"),
    facts(MONEY, "money", 8, MONEY_ARRAY, "money", "money[]"),
    facts(MACADDR, "macaddr", 6, MACADDR_ARRAY, "macaddr", "macaddr[]"),
    facts(INET, "inet", -1, INET_ARRAY, "inet", "inet[]"),
    facts(ACLITEM, "aclitem", 12, ACLITEM_ARRAY, "aclitem", "aclitem[]"),
    facts(BPCHAR, "bpchar", -1, BPCHAR_ARRAY, "character", "character[]"),
    facts(
        VARCHAR,
        "varchar",
        -1,
        VARCHAR_ARRAY,
        "character varying",
        "character varying[]",
    ),
    facts(DATE, "date", 4, DATE_ARRAY, "date", "date[]"),
    facts(
        TIME,
        "time",
        8,
        TIME_ARRAY,
        "time without time zone",
        "time without time zone[]",
    ),
    facts(
        TIMESTAMP,
        "timestamp",
        8,
        TIMESTAMP_ARRAY,
        "timestamp without time zone",
        "timestamp without time zone[]",
    ),
    facts(
        TIMESTAMPTZ,
        "timestamptz",
        8,
        TIMESTAMPTZ_ARRAY,
        "timestamp with time zone",
        "timestamp with time zone[]",
    ),
    facts(INTERVAL, "interval", 16, INTERVAL_ARRAY, "interval", "interval[]"),
    facts(
        TIMETZ,
        "timetz",
        12,
        TIMETZ_ARRAY,
        "time with time zone",
        "time with time zone[]",
    ),
    facts(BIT, "bit", -1, BIT_ARRAY, "bit", "bit[]"),
    facts(VARBIT, "varbit", -1, VARBIT_ARRAY, "bit varying", "bit varying[]"),
    facts(NUMERIC, "numeric", -1, NUMERIC_ARRAY, "numeric", "numeric[]"),
    facts(REFCURSOR, "refcursor", -1, REFCURSOR_ARRAY, "refcursor", "refcursor[]"),
    facts(
        REGPROCEDURE,
        "regprocedure",
        4,
        REGPROCEDURE_ARRAY,
        "regprocedure",
        "regprocedure[]",
    ),
    facts(REGOPER, "regoper", 4, REGOPER_ARRAY, "regoper", "regoper[]"),
    facts(
        REGOPERATOR,
        "regoperator",
        4,
        REGOPERATOR_ARRAY,
        "regoperator",
        "regoperator[]",
    ),
    facts(REGCLASS, "regclass", 4, REGCLASS_ARRAY, "regclass", "regclass[]"),
    facts(REGTYPE, "regtype", 4, REGTYPE_ARRAY, "regtype", "regtype[]"),
    facts(RECORD, "record", -1, RECORD_ARRAY, "record", "record[]"),
    facts(CSTRING, "cstring", -2, CSTRING_ARRAY, "cstring", "cstring[]"),
    facts(VOID, "void", 4, 0, "void", "void[]"),
    facts(UUID, "uuid", 16, UUID_ARRAY, "uuid", "uuid[]"),
    facts(PG_LSN, "pg_lsn", 8, PG_LSN_ARRAY, "pg_lsn", "pg_lsn[]"),
    facts(TSVECTOR, "tsvector", -1, TSVECTOR_ARRAY, "tsvector", "tsvector[]"),
    facts(REGCONFIG, "regconfig", 4, REGCONFIG_ARRAY, "regconfig", "regconfig[]"),
    facts(
        REGDICTIONARY,
        "regdictionary",
        4,
        REGDICTIONARY_ARRAY,
        "regdictionary",
        "regdictionary[]",
    ),
    facts(JSONB, "jsonb", -1, JSONB_ARRAY, "jsonb", "jsonb[]"),
    facts(JSONPATH, "jsonpath", -1, JSONPATH_ARRAY, "jsonpath", "jsonpath[]"),
    facts(
        REGNAMESPACE,
        "regnamespace",
        4,
        REGNAMESPACE_ARRAY,
        "regnamespace",
        "regnamespace[]",
    ),
    facts(REGROLE, "regrole", 4, REGROLE_ARRAY, "regrole", "regrole[]"),
    facts(
        REGCOLLATION,
        "regcollation",
        4,
        REGCOLLATION_ARRAY,
        "regcollation",
        "regcollation[]",
    ),
    facts(XID8, "xid8", 8, XID8_ARRAY, "xid8", "xid8[]"),
];

/// The facts of the type `oid`, if it is built in and not an array.
pub(crate) fn scalar(oid: u32) -> Option<&'static TypeFacts> {
    TYPES
        .binary_search_by_key(&oid, |facts| facts.oid)
        .ok()
        .and_then(|position| TYPES.get(position))
}

/// The facts of the element type of the array type `oid`.
pub(crate) fn element(oid: u32) -> Option<&'static TypeFacts> {
    if oid == 0 {
        None
    } else {
        TYPES.iter().find(|facts| facts.array == oid)
    }
}

/// The array type over `oid`, if there is one.
pub(crate) fn array_of(oid: u32) -> Option<u32> {
    scalar(oid).map(|facts| facts.array).filter(|array| *array != 0)
}

/// Looks a type up by its catalogue name; a leading underscore names the array type.
pub(crate) fn by_name(name: &str) -> Option<u32> {
    let find = |name: &str| TYPES.iter().find(|facts| facts.name == name);
    if let Some(facts) = find(name.trim_matches('"')) {
        return Some(facts.oid);
    }
    let element = name.strip_prefix('_')?;
    find(element.trim_matches('"'))
        .map(|facts| facts.array)
        .filter(|array| *array != 0)
}
