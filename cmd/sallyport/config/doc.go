// Package config is the configuration of a deployment: its keys, their defaults, and everything that can be wrong with
// their values.
//
// [Load] starts from [Default], reads the YAML file over it, then the environment, and validates the result. All
// problems come back at once as [Problems], each with the line or the variable it comes from, the key, what is wrong
// and what would be right. It opens no database and makes no connection; [Config.Ring] is the one place that writes a
// file, the master secret of a deployment that has none yet.
package config
