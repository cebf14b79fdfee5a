"""The tier in Redis or Valkey: rules without I/O, routes to servers, and two thin transports."""
