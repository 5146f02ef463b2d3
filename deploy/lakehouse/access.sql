-- Nobody but the administrator sees anything until a rule says so.
CREATE ROLE reader;
GRANT EXECUTE ON SERVICE postgres TO reader;
