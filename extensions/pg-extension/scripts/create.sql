-- What the image does in the first database when it is made.
CREATE EXTENSION pg_2fapi;
