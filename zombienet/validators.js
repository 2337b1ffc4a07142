// How many validators the chain has, as one node sees it.
exports.run = async (name, network) => {
	const api = await zombie.connect(network.nodesByName[name].wsUri);
	const validators = await api.query.session.validators();
	await api.disconnect();
	return validators.length;
};
