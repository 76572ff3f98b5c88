# Three Debian packages by `cpack` (deploy/package.sh): federity-server,
# federity-agent and federity. docs/operations/installing.md says what is in them.
include(GNUInstallDirs)
set(package_dir "${CMAKE_SOURCE_DIR}/deploy/package")

# --- what goes where -------------------------------------------------------
install(TARGETS federity-server RUNTIME COMPONENT server)
install(TARGETS federity-agent RUNTIME COMPONENT agent)
install(TARGETS federity RUNTIME COMPONENT cli)
# Where agent and command line look for it, after their own folder.
install(TARGETS federity-trainer RUNTIME DESTINATION lib/federity COMPONENT agent)

# The coordinator's configuration, but for the key: its user can't write beside
# /var/lib/federity.
file(READ "${CMAKE_SOURCE_DIR}/deploy/config/server.toml" server_config)
string(REPLACE "# key_file = \"/var/lib/federity.key\"" "key_file = \"/var/lib/federity-key/key\""
       packaged_config "${server_config}")
if(packaged_config STREQUAL server_config)
  message(FATAL_ERROR "deploy/config/server.toml has no key_file line for the package to set")
endif()
file(WRITE "${CMAKE_BINARY_DIR}/package/server.toml" "${packaged_config}")
install(FILES "${CMAKE_BINARY_DIR}/package/server.toml"
        DESTINATION "/etc/federity" COMPONENT server)
install(FILES deploy/config/agent.toml DESTINATION "/etc/federity" COMPONENT agent)
foreach(program server agent)
  install(FILES "${package_dir}/federity-${program}.service"
          DESTINATION lib/systemd/system COMPONENT ${program})
endforeach()

function(federity_package_docs component package)
  install(FILES "${package_dir}/copyright" README.md ${ARGN}
          DESTINATION "share/doc/${package}" COMPONENT ${component})
endfunction()
federity_package_docs(server federity-server docs/operations/installing.md
                      docs/operations/coordinator.md docs/threat-model.md)
federity_package_docs(agent federity-agent docs/operations/installing.md docs/operations/agent.md
                      docs/design/sandbox.md docs/threat-model.md)
federity_package_docs(cli federity docs/cli.md docs/plan.md)

# --- the packages ----------------------------------------------------------
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME federity)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_OUTPUT_FILE_PREFIX "${CMAKE_BINARY_DIR}/packages")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL server agent cli)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
# A reserved domain: there is no address of the project yet.
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "Federity maintainers <maintainers@federity.invalid>")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# Besides what the programs link. PostgreSQL by its major version, which the
# cluster that it made keeps.
set(CPACK_DEBIAN_SERVER_PACKAGE_NAME federity-server)
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS "adduser, postgresql-15")
set(CPACK_DEBIAN_SERVER_PACKAGE_SUGGESTS "federity")
set(CPACK_COMPONENT_SERVER_DESCRIPTION
    "The coordinator: keeps model repositories, members, rounds and their history,\n\
and merges the updates of contributors. Sees no data. Starts only when it is\n\
told to.")
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA "${package_dir}/federity-server/postinst"
    "${package_dir}/federity-server/prerm" "${package_dir}/federity-server/postrm"
    "${package_dir}/federity-server/conffiles")

# The command line comes with the agent, for `federity doctor`; so both are of one
# version, as the trainer wants that both start.
set(CPACK_DEBIAN_AGENT_PACKAGE_NAME federity-agent)
set(CPACK_DEBIAN_AGENT_PACKAGE_DEPENDS "adduser, federity (= ${PROJECT_VERSION})")
# The reference BLAS, which LibTorch depends on, is 25 times slower.
set(CPACK_DEBIAN_AGENT_PACKAGE_RECOMMENDS "libopenblas0-pthread")
set(CPACK_COMPONENT_AGENT_DESCRIPTION
    "The agent: a daemon that fetches models, has them trained on local data in a\n\
sandbox and sends back weight deltas. Listens on no port. Starts only when it\n\
is told to.")
set(CPACK_DEBIAN_AGENT_PACKAGE_CONTROL_EXTRA "${package_dir}/federity-agent/postinst"
    "${package_dir}/federity-agent/prerm" "${package_dir}/federity-agent/postrm"
    "${package_dir}/federity-agent/conffiles")

# Owners train, evaluate and check model files by the agent's trainer. Auditors
# and administrators need no LibTorch, which is why this is no dependency.
set(CPACK_DEBIAN_CLI_PACKAGE_NAME federity)
set(CPACK_DEBIAN_CLI_PACKAGE_RECOMMENDS "federity-agent (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_CLI_DESCRIPTION
    "The command line, for owners, maintainers, contributors, auditors and\n\
administrators of Federity's repositories.")

include(CPack)
