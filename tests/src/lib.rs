//! What crosses two rooms or needs a real server.
