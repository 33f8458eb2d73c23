// Package e2e tests the binary as people and apps meet it: started as a process, on SQLite and Postgres, with a real
// Chromium, a real SMTP server, a server that speaks Twilio's API, relying parties that are not ours, and Auth0's packages
// against a deployment over TLS (tenant_test.go; sdk has the scripts for Node.js, apps the pages). Its folder bench
// measures speed and size, drill takes processes and databases away under load; rig is what both share.
package e2e
