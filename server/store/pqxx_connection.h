#ifndef FEDERITY_SERVER_STORE_PQXX_CONNECTION_H_
#define FEDERITY_SERVER_STORE_PQXX_CONNECTION_H_

// Only for the .cc files of this folder: libpqxx 6.4 and 7.x behind one face.
// 7.x calls some of what 6.4 has only deprecated.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <memory>
#include <pqxx/pqxx>
#include <string>

namespace federity::store {

// A connection with the session settings that the value codec relies on. 6.4
// reconnects by itself and then restores settings made through set_variable.
// Throws pqxx::broken_connection.
inline std::unique_ptr<pqxx::connection> OpenConnection(const std::string& url,
                                                        const std::string& application) {
  auto connection = std::make_unique<pqxx::connection>(url);
  const auto set = [&](const std::string& name, const std::string& value) {
#if PQXX_VERSION_MAJOR >= 7
    connection->set_session_var(name, value);
#else
    connection->set_variable(name, connection->quote(value));
#endif
  };
  set("client_encoding", "UTF8");
  set("TimeZone", "UTC");
  set("DateStyle", "ISO, YMD");
  set("bytea_output", "hex");
  set("client_min_messages", "error");
  set("application_name", application);
  // A stuck statement or a process that stopped within a transaction must not
  // hold locks for ever.
  set("statement_timeout", "60s");
  set("idle_in_transaction_session_timeout", "60s");
  return connection;
}

}  // namespace federity::store

#pragma GCC diagnostic pop

#endif  // FEDERITY_SERVER_STORE_PQXX_CONNECTION_H_
